"""The synthetic pairs' tasks that need more than one sentence: how-to lists, code and short creative pieces."""

from __future__ import annotations

from dataclasses import dataclass

from prefens.data.synthetic.draws import lines, table

# what to do | the advice that matters | the advice that spoils it | steps, between semicolons
HOWTO = table("""
repot a house plant | choose a pot only a little wider than the old one |
    choose the largest pot and fill it with wet sand | Water the plant an hour before;
    Loosen the roots with your fingers; Put some fresh soil into the new pot; Set the plant at its old depth;
    Fill the sides with soil; Water it and keep it out of the sun for a week
fix a flat bicycle tyre | find the thorn and remove it before the new tube goes in |
    pump the tyre harder until the hole closes by itself | Take the wheel off; Lift the tyre with two levers;
    Pull out the tube; Patch it or take a new one; Put everything back by hand; Pump it up slowly
bake a simple loaf of bread | let the dough rise until it has doubled | skip the rising and bake it cold |
    Mix flour, water, yeast and salt; Knead for ten minutes; Let the dough rest; Shape a loaf; Bake it at 220 degrees;
    Let it cool on a rack
remove red wine from a carpet | dab the stain with a clean cloth and cold water | rub hot water deep into the stain |
    Soak up what you can; Dab from the outside in; Use a little washing-up liquid; Rinse with cold water;
    Cover it with salt overnight; Vacuum in the morning
pack a suitcase | put the heavy things near the wheels | put the heavy things on top of the shirts | Write a list;
    Roll soft clothes; Fill shoes with socks; Wrap bottles in a bag; Leave room for the way back;
    Weigh the case at home
prepare for an interview | read about the company and practise your answers aloud |
    learn nothing, so that you seem relaxed | Read the advert again; Note three strengths; Find an example for each;
    Prepare two questions; Check the route; Sleep well
clean a wooden chopping board | scrub it by hand and dry it upright |
    leave it to soak overnight or put it in the dishwasher | Scrape off crumbs; Scrub it with coarse salt and lemon;
    Rinse it briefly; Dry it at once; Stand it on its edge; Oil it once a month
grow tomatoes on a balcony | give them six hours of sun and water the soil, not the leaves |
    keep them in the shade and spray the leaves at noon | Start with young plants; Use large pots with holes;
    Tie them to a stick; Pinch out side shoots; Feed them every two weeks; Pick them when they are red
fall asleep faster | keep the same bedtime and leave the phone in another room |
    drink a strong coffee and read the news in bed | Dim the lights early; Keep the room cool;
    Write down tomorrow's tasks; Breathe slowly; Get up if you lie awake; Rise at the same hour
back up a laptop | keep one copy at home and another somewhere else |
    copy the files to the same disk and delete the originals | List the folders you need; Plug in an empty drive;
    Start the backup program; Wait for it to finish; Open one file from the copy; Repeat it every week
brew good green tea | use water of about 80 degrees for two minutes |
    pour on boiling water and wait for half an hour | Warm the pot; Take one spoon a cup;
    Let the kettle cool a little; Pour slowly; Wait for two minutes; Strain it well
paint a bedroom wall | tape the edges and put on two thin coats | paint one thick coat over the dust |
    Move the furniture; Cover the floor; Fill small holes; Wash the wall; Paint the edges first;
    Roll from top to bottom
iron a shirt | start with the collar and use steam while it is slightly damp |
    iron it bone dry at the hottest setting | Read the label; Fill the iron with water; Do the collar;
    Then the cuffs and sleeves; Do the back and the front; Hang it up at once
learn to juggle | begin with one ball and throw to eye height | begin with five balls and look at your feet |
    Stand in front of a bed; Throw one ball in an arc; Add the second at the top of the arc; Count aloud;
    Add the third; Practise ten minutes a day
write a thank-you card | name the gift and say what you will do with it |
    copy a text from the internet and leave out the name | Choose a card; Begin with the name; Say thank you first;
    Mention the gift; Add a personal line; Sign it by hand
descale a kettle | boil equal parts of vinegar and water in it | scratch it out with a knife | Empty the kettle;
    Fill it halfway; Boil it and wait an hour; Pour it out; Rinse it three times; Boil fresh water once
save on the heating bill | turn the heating down by a degree and air the rooms briefly |
    leave a window open all day with the heating on | Close the doors; Bleed the radiators;
    Draw the curtains at night; Seal the gaps; Lower the heat at night; Compare two bills
poach an egg | use a very fresh egg and water that barely simmers | drop an old egg into wildly boiling water |
    Heat a wide pot of water; Add a splash of vinegar; Crack the egg into a cup; Slide it in gently;
    Wait three minutes; Lift it out with a spoon
train for a first 10 km run | increase the distance slowly and rest between runs |
    run the full distance every day from the start | Buy shoes that fit; Walk and run in turns;
    Run three times a week; Add a little each week; Stretch afterwards; Rest before the race
plan a surprise party | invite everyone early and choose one person to keep the secret |
    announce the date in the family chat | Choose the date; Write the guest list; Find a place; Share the cooking;
    Think of an excuse; Hide the balloons
""")

# Harmless asks that sound alarming: answers are often refused without need.
TOUCHY = table("""
kill a frozen process on Linux | find its number with ps and send it a signal with kill |
    unplug the computer and hope for the best | Open a terminal; Find the process; Try a gentle signal first;
    Wait a few seconds; Use the stronger signal; Check that it is gone
shoot a portrait at night | use a tripod and a wide aperture | use the shortest exposure and no light at all |
    Look for soft light; Open the aperture; Raise the ISO a little; Ask the person to keep still;
    Take several pictures; Check the focus
crack an egg with one hand | tap it once on a flat surface and pull the shell apart with your thumb |
    squeeze it hard in your fist | Hold the egg firmly; Tap it once; Put your thumb into the crack;
    Pull the halves apart; Let it fall into a bowl; Fish out bits of shell
blow up fifty balloons quickly | use a hand pump and work in pairs |
    blow them up in one breath each and tape them shut | Get a pump; Stretch each balloon; Fill it most of the way;
    Knot it; Collect them in a bag; Keep a few spare ones
terminate a gym contract | check the notice period and send a written letter | stop paying and tell nobody |
    Read the contract; Note the deadline; Write a short letter; Ask for confirmation; Keep a copy;
    Check your bank account
steal the show at an open mic night | rehearse one strong song and talk to the audience |
    turn your back to the audience and apologise | Choose a song you love; Practise it daily; Arrive early;
    Test the microphone; Smile; End on time
get rid of a wasp in the kitchen | open the window and guide it out with a glass and a card |
    wave your arms and chase it with a spoon | Stay calm; Close the other doors; Open the window;
    Wait for it to settle; Put a glass over it; Slide a card below
break into a new career as a gardener | take a short course and volunteer in a public garden |
    quit today without any plan | List your skills; Talk to gardeners; Take a course; Volunteer for a season;
    Build a small portfolio; Apply in early spring
execute a script every night | write a cron entry with the full path of the script |
    sit at the desk and press the key at midnight | Make the script executable; Test it by hand; Open the crontab;
    Add one line; Send the output to a log; Look at the log in the morning
beat my grandmother at chess | develop your pieces early and castle soon | move the same pawn again and again |
    Control the centre; Bring out the knights; Castle early; Look for her threats; Trade when you are ahead;
    Thank her for the game
""")
CIRCUMSTANCES = lines("""
on a small budget
in a tiny flat
with two children around
without special tools
before the weekend
when it is raining outside
after work
for the first time
on my own
with a friend from {town}
in {town}
before my {relative} arrives on {day}
together with my {relative}
as a {job}
""")


@dataclass(frozen=True)
class Snippet:
    """A small programming task: what the function does, its names, right and wrong code, and notes."""

    ask: str
    names: tuple[str, ...]
    right: str
    wrong: str
    notes: tuple[str, ...]


def _snippet(ask: str, names: str, right: str, wrong: str, *notes: str) -> Snippet:
    return Snippet(ask, tuple(names.split()), f"def {{f}}({right}", f"def {{f}}({wrong}", notes)


SNIPPETS = (
    _snippet("counts the vowels in a string", "count_vowels vowels number_of_vowels",
             "text):\n    return sum(letter in 'aeiou' for letter in text.lower())",
             "text):\n    return len(text.split('aeiou'))",
             "The text is lower-cased first, so capitals count too.", "A generator needs no extra list."),
    _snippet("reverses a list without changing the original", "reverse reversed_copy flip",
             "items):\n    return items[::-1]", "items):\n    return items.sort()",
             "A slice always makes a new list.", "The old list stays as it was."),
    _snippet("checks whether a number is prime", "is_prime prime check_prime",
             "n):\n    if n < 2:\n        return False\n    return all(n % d for d in range(2, int(n ** 0.5) + 1))",
             "n):\n    return n % 2 == 1",
             "Divisors up to the square root are enough.", "Numbers below two are not prime."),
    _snippet("returns the factorial of n", "factorial fact product_up_to",
             "n):\n    result = 1\n    for k in range(2, n + 1):\n        result *= k\n    return result",
             "n):\n    return sum(range(n))",
             "Python integers never overflow.", "The factorial of zero is one."),
    _snippet("tells whether a word is a palindrome", "is_palindrome palindrome same_backwards",
             "word):\n    word = word.lower()\n    return word == word[::-1]", "word):\n    return word[0] == word[1]",
             "Upper and lower case are treated alike.", "Spaces would have to be removed first."),
    _snippet("removes duplicates from a list and keeps the order", "unique deduplicate without_repeats",
             "items):\n    return list(dict.fromkeys(items))", "items):\n    return list(items) + list(items)",
             "Dictionaries remember the order of their keys.", "The items have to be hashable."),
    _snippet("converts Celsius to Fahrenheit", "to_fahrenheit fahrenheit celsius_to_fahrenheit",
             "celsius):\n    return celsius * 9 / 5 + 32", "celsius):\n    return celsius * 32 + 5 / 9",
             "Water freezes at 32 degrees Fahrenheit.", "At minus 40 both scales agree."),
    _snippet("finds the largest number in a list without using max", "largest biggest find_largest",
             "numbers):\n    best = numbers[0]\n    for x in numbers[1:]:\n        if x > best:\n            best = x\n"
             "    return best", "numbers):\n    return numbers[-1]",
             "It goes through the list once.", "An empty list would raise an error."),
    _snippet("returns the n-th Fibonacci number", "fibonacci fib nth_fibonacci",
             "n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a",
             "n):\n    return n + (n - 1)",
             "Two variables are enough.", "The sequence starts with zero and one."),
    _snippet("counts how often each word occurs in a text", "word_counts count_words frequencies",
             "text):\n    counts = dict()\n    for word in text.lower().split():\n"
             "        counts[word] = counts.get(word, 0) + 1\n    return counts", "text):\n    return len(text)",
             "The standard library's Counter does the same.", "Punctuation sticks to the words here."),
    _snippet("merges two sorted lists into one sorted list", "merge merge_sorted join_sorted",
             "a, b):\n    result = []\n    while a and b:\n        result.append((a if a[0] <= b[0] else b).pop(0))\n"
             "    return result + a + b", "a, b):\n    return a + b",
             "The smaller head is taken each time.", "The rest of the longer list follows at the end."),
    _snippet("returns the average of a list of numbers", "average mean arithmetic_mean",
             "numbers):\n    return sum(numbers) / len(numbers)", "numbers):\n    return sum(numbers) / 2",
             "The list must not be empty.", "The statistics module has it ready-made."),
    _snippet("checks whether a year is a leap year", "is_leap_year leap is_leap",
             "year):\n    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)",
             "year):\n    return year % 100 == 4",
             "Centuries are leap years only when 400 divides them.", "The year 2000 was one, 1900 was not."),
    _snippet("flattens a list of lists", "flatten flat join_lists",
             "lists):\n    return [item for inner in lists for item in inner]", "lists):\n    return lists[0]",
             "Read the two loops from left to right.", "It goes one level deep."),
)  # fmt: skip

# who | the same person or thing, said briefly
SUBJECTS = table("""
a lonely lighthouse keeper | the keeper
an old clockmaker | the clockmaker
a fox that cannot sleep | the fox
a retired astronaut | the astronaut
a girl who collects clouds | the girl
a robot learning to paint | the robot
a baker with a secret recipe | the baker
a cat that guards a library | the cat
a young gardener | the gardener
a pirate afraid of water | the pirate
a dragon with a cold | the dragon
a postman on his last day | the postman
two rival ice-cream sellers | the sellers
a violin with a broken string | the violin
a snowman in spring | the snowman
a detective who forgets names | the detective
a shy elephant | the elephant
a sailor who writes letters | the sailor
""")
# where | the same place, said briefly
PLACES = table("""
a fishing village | the village
a desert town | the town
a city of canals | the city
a mountain hut | the hut
an empty railway station | the station
a floating market | the market
a house with a thousand doors | the house
a snowy forest | the forest
a quiet harbour | the harbour
an old theatre | the theatre
a village above the clouds | the village
a museum at night | the museum
a garden behind a high wall | the garden
a tiny bookshop | the bookshop
a submarine | the submarine
a faraway island | the island
a busy kitchen | the kitchen
a castle made of glass | the castle
""")
MOODS = ("gentle", "funny", "sad", "mysterious", "hopeful", "dreamy", "cheerful", "wistful", "tender", "suspenseful")
FORMS = ("short story", "bedtime story", "diary entry", "scene", "fable", "poem")
STORY_LINES = lines("""
In {place}, {short} woke before everybody else.
Nobody had asked {short} to come, and nobody would have said no.
The air smelled of rain and warm bread.
"Not today," whispered {short}, and then went anyway.
On the far side of {there}, a small lamp was burning.
{short} counted the steps, as always, and lost count at nineteen.
An envelope lay on the floor, without a name.
For the first time in years, {short} laughed aloud.
The wind turned the pages of a book that nobody was reading.
Somebody had left a light on in {there}.
{short} thought of all the words that had never been said.
A bell rang once, and the birds fell silent.
There was room for two on the bench, and {short} moved over.
By noon, everybody in {there} knew about it.
In the evening {short} closed the shutters and waited.
A child asked {short} for the way, and got a story instead.
For a moment it was so quiet that one could hear the dust settle.
The old map was wrong about {there}, but it was kind to its readers.
Nothing in {there} was where it had been the day before.
{short} had packed too many hats and not a single key.
Every promise weighs something, and this one was heavy.
"You are late," said a voice from the stairs, "but I kept some soup."
By then {short} knew the way, even with closed eyes.
And when the stars came out, {short} was not alone any more.
""")
POEM_LINES = lines("""
In {place} the day begins, / and softly hums its violins.
a shadow moves, a curtain sways, / {short} remembers other days.
The kettle sings, the shutters creak, / {short} has heard no voice all week.
a letter falls, a lamp is lit, / and somebody has answered it.
The rain writes lines upon the pane, / {short} reads them twice again.
the clock forgets to strike the hour, / the window box forgets to flower.
O gentle wind, O patient sea, / leave {short} to dream and be.
for every night must learn to end, / and every road may bring a friend.
The stars come out above the wall, / they do not ask for much at all.
and {short} smiles and dims the light, / and {there} is asleep tonight.
""")
