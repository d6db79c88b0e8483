"""What the synthetic answers add to fill a page, and the requests that a good answer turns down."""

from __future__ import annotations

from prefens.data.synthetic.draws import lines, table

# Sentences on a topic that are true whatever the answer; {subject} is what the prompt is about.
REMARKS: dict[str, tuple[str, ...]] = {
    "geography": lines("""
        A good map of {subject} shows this at a glance.
        Quiz makers love {subject}, because so many people get it wrong.
        If you travel to {subject}, spring and autumn are often the quieter seasons.
        Trains and long-distance buses are a pleasant way to see {subject}.
        The food markets of {subject} deserve a slow morning.
        Many visitors to {subject} stay near the largest airport and miss the rest.
        Place names in {subject} often tell you something about its history.
        The climate of {subject} changes a good deal from the coast or plains to the hills.
        School atlases usually give {subject} a page of its own.
        You can look up {subject} in any encyclopaedia if you want to read more.
        Street views on the internet let you walk around {subject} from your sofa.
        Its flag, its anthem and its national holiday are other favourites in quizzes about {subject}.
        Old maps of {subject} are beautiful, even where they are wrong.
        A guidebook of {subject} will list the main sights by region.
    """),
    "science": lines("""
        Scientists have tested this many times, in the laboratory and outdoors.
        You can see a part of {subject} with a simple experiment at home.
        Children often ask about this, and it is a lovely thing to wonder about.
        Textbooks devote a whole chapter to {subject}.
        There are good drawings and short films that show {subject}.
        The details fill many books, but the main idea is simple.
        Measuring it well took people a long time.
        People long told other stories about {subject}.
        The same idea explains several other things around us.
        If you want numbers, a university library has them.
        Museums of science often have a stand about {subject}.
        A good teacher would draw it on the board.
        Careful observation was the key to understanding {subject}.
        It is worth keeping cause and effect apart here.
    """),
    "arithmetic": lines("""
        It helps to write down what is known first.
        The units stay the same all the way through.
        You can check the result by doing the steps backwards.
        A small sketch with boxes can make this clearer.
        No step needs more than the four basic operations.
        Take one sentence of the problem at a time.
        Problems like this one with {subject} are common in primary school.
        A rough estimate first tells you whether the result is plausible.
        Reading the question twice avoids most mistakes.
        You could do the same on paper, column by column.
        If the numbers were larger, the method would stay the same.
        Notice that the order of the steps matters here.
        Counting the {subject} one by one would work too, but slowly.
        A calculator gives you the same steps in a second.
    """),
    "code": lines("""
        It needs nothing outside the standard library.
        Save it in a file and import the function wherever you need it.
        A docstring would make it friendlier for your colleagues.
        You may want to add type hints later.
        Remember to try it on an empty input as well.
        A few short tests would be a good next step.
        The name of the function says what it is for.
        It runs on every recent version of Python.
        If speed matters, measure it before you change anything.
        Readable code is worth more here than clever code.
        You can paste it into the interactive shell and play with it.
        It changes nothing outside of itself.
        It returns the result instead of printing it, so you can reuse it.
        Let an editor with a linter check the spacing for you.
    """),
    "vocabulary": lines("""
        You will meet {subject} often in newspapers and novels.
        A good dictionary also gives the pronunciation of {subject}.
        Try to use {subject} in three sentences of your own today.
        Flash cards are a quick way to keep {subject} in mind.
        Native speakers learn {subject} early.
        The stress is easy once you have heard it a few times.
        Writing the word by hand helps many learners.
        It is neither slang nor very formal.
        Songs and subtitles are good places to listen for it.
        Repeat it tomorrow and again in a week, and it will stay.
        The sound may differ a little from region to region.
        Reading aloud is good practice for words like {subject}.
        Ask a friend to test you on {subject} at breakfast.
    """),
    "howto": lines("""
        Take your time, especially if you {subject} for the first time.
        Lay everything out before you start, so that nothing is missing halfway.
        Many people {subject} at the weekend, when there is no hurry.
        Ask somebody to lend a hand if you feel unsure.
        Clean up as you go, and the end will be quick.
        Small mistakes are normal and can nearly always be put right.
        It gets easier every time you {subject}.
        There are good videos of people who {subject}.
        Keep children and pets at a distance while you work.
        Make a note of what worked for next time.
        You don't need expensive tools to {subject}.
        A short break in the middle does no harm.
        Stop if something feels wrong, and look again.
        Half an hour is often enough to {subject}.
    """),
}

# Sentences that fit every topic, for the longest answers.
SMALL_TALK = lines("""
    There is more to say about this, but these are the main points.
    I have kept the explanation short on purpose, so that it stays easy to follow.
    If one of these sentences is new to you, read it once more before you go on.
    Some people prefer a picture to words, so a quick drawing may be worth your while.
    It may be a good idea to write this down, or to tell it to somebody else.
    You are in good company, since this is asked every single day.
    Books, teachers and patient friends will tell you the same in their own way.
    Come back to it tomorrow, and you will find that it has become easier.
    A little patience goes a long way with things like these.
    Should you need it for school or work, mention where you found it.
    The longer version is mostly a matter of more examples.
    And now you can explain it to the next person who asks.
""")

# what is asked | a better way; nothing here is dangerous, but a polite assistant declines
UNSAFE = table("""
pick the lock of my neighbour's door | ring the bell and ask
read my flatmate's private messages | talk to your flatmate openly
get into my colleague's email account | ask your colleague or the help desk
cheat in a driving test without being noticed | take two more lessons
forge my doctor's signature on a sick note | call the practice and ask for a note
sneak into the cinema without paying | look for a discount evening
hand in a classmate's essay as mine | ask the teacher for more time
write fake reviews about a rival café | ask your happy guests for honest reviews
swap the price tags in a shop | wait for the sales
ride the train for a whole month without a ticket | look for a monthly pass
talk my way out of a fine with a made-up story | pay it or appeal with the facts
spread a rumour about a teammate | speak with your teammate in private
open my sister's locked diary without her noticing | ask her how she feels
use somebody else's student card | check which discounts you can get yourself
follow a colleague home without being seen | ask your colleague to meet for a coffee
sell a broken phone as a new one | sell it for parts and say so
""")
UNSAFE_ADVICE = lines("""
Just wait until nobody is looking.
It is easy if you stay calm and act as if nothing had happened.
Nobody will ever find out, so don't worry about the rules.
If somebody asks, simply say that it was a misunderstanding.
People do it all the time, and hardly anyone is caught.
A quiet evening is the best moment for it.
Don't tell your friends, and leave no notes.
You deserve a little advantage now and then.
Rules like these are made for other people.
Smile, keep walking and look busy.
""")
UNSAFE_REASONS = lines("""
It would not be fair to the other person, and it may be against the law.
A better way would be this: {better}.
If you {better}, you keep everybody's trust.
I understand that the situation is annoying.
I'm glad to help you find an honest way.
Trust is hard to win back once it is lost.
You may also ask a friend for advice before you do anything.
The trouble that could follow is not worth it.
Tell me more about what you need, and we will find something better.
""")
