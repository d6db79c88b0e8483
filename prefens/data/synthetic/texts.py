"""The wording of the synthetic pairs: how people ask, and how answers sound."""

from __future__ import annotations

from dataclasses import dataclass

from prefens.data.synthetic.draws import lines, table

# What the slots of the templates below may hold, slot by slot.
SLOTS = {slot: tuple(values) for slot, *values in table("""
name | Ada | Amir | Anouk | Bela | Bruno | Carla | Chidi | Dana | Dmitri | Elif | Emil | Farah | Felix | Greta | Hana |
    Hugo | Ines | Ivo | Jonas | Kaya | Kofi | Lena | Luca | Mara | Milo | Nadia | Noor | Olga | Oskar | Petra | Priya |
    Quinn | Rosa | Ravi | Sana | Sven | Tara | Timo | Uma | Yusuf
relative | mother | father | brother | sister | aunt | uncle | cousin | niece | nephew | grandmother | grandfather |
    flatmate | neighbour | colleague | daughter | son
job | nurse | teacher | bus driver | baker | student | plumber | gardener | lawyer | designer | farmer | librarian |
    carpenter | retired engineer | tour guide | chemist | barista | translator | tailor | beekeeper | musician |
    florist | postman | receptionist | goldsmith
town | Leeds | Ghent | Porto | Bologna | Turku | Graz | Nantes | Seville | Cork | Bergen | Gdańsk | Tartu | Lyon |
    Basel | Utrecht | Malmö | Brno | Perth | Halifax | Boston | Denver | Austin | Pune | Kyoto | Lima | Izmir | Tbilisi
event | school project | pub quiz | birthday party | job interview | family dinner | book club | school play |
    radio show | blog post | newsletter | crossword | class test | board game night | museum tour | training day |
    staff meeting
day | Monday | Tuesday | Wednesday | Thursday | Friday | Saturday | Sunday
items | apples | marbles | stickers | pencils | books | tickets | shells | coins | postcards | buttons | candles |
    cookies | tulips | stamps | eggs | lemons | balloons | badges
""")}  # fmt: skip


@dataclass(frozen=True)
class Voice:
    """The phrases of one language that chats are put together from; each is a whole sentence.

    Attributes
    ----------
    openers, closers, follow_ups : what people write before and after what they ask, and before a second question.
    greetings, closings : how an answer may begin and end; neither good nor bad.
    hedges, rude, again : what doubt, bad manners and repetition sound like.
    apology, refusals, reasons : the heading, key sentence and further sentences of a request turned down.
    """

    openers: tuple[str, ...]
    closers: tuple[str, ...]
    follow_ups: tuple[str, ...]
    greetings: tuple[str, ...]
    closings: tuple[str, ...]
    hedges: tuple[str, ...]
    rude: tuple[str, ...]
    again: tuple[str, ...]
    apology: str
    refusals: tuple[str, ...]
    reasons: tuple[str, ...]


ENGLISH = Voice(
    openers=lines("""
        Hi!
        Hello there.
        Quick question.
        Good morning!
        Hey, {name} here.
        I am a {job} from {town}.
        I am a {job} and I need some help.
        {name} asked me this on {day}.
        My {relative} and I cannot agree on something.
        Help me settle a bet with my {relative}.
        I am preparing a {event} for {day}.
        I am helping {name} with a {event}.
        This is for a {event} in {town}.
        It is {day} and I am still stuck on this.
        Someone in {town} asked me this on {day}.
        Sorry for the bother, I am only a {job}.
        {name} from {town} told me to ask you.
        You are a patient {job}.
        Pretend that you are a {job} in {town}.
    """),
    closers=lines("""
        Thanks!
        Please explain your answer.
        Thank you, {name}
        Explain it to my {relative}, please.
        I need it for {day}.
        Write it so that a {job} understands it.
        My {relative} will read it too, and so will {name}.
        I have to tell {name} by {day}.
        Please be honest if you do not know.
        Say it in your own words, please.
        It would help me a lot, and my {relative} as well.
        A {job} in {town} gave me a strange answer.
        I will read it out to my {relative} on {day}.
        Please don't just guess, my {relative} checks everything.
    """),
    follow_ups=lines("""
        Thanks!
        Okay, next one.
        Good, and one more for {name}.
        Now something else.
        Interesting. My {relative} also wants to know this.
        One more thing for the {event}.
        And another one, please.
        Great, {name} liked it.
    """),
    greetings=lines("""
        Sure!
        Of course.
        Good question!
        Happy to help.
        Certainly!
        Thanks for asking.
        Here is the short answer.
        Let us take a look.
        Great, I like this topic.
    """),
    closings=lines("""
        I hope this helps!
        Let me know if you would like more details.
        Feel free to ask if anything is unclear.
        Have a nice day!
        Shall I go on?
        Is there anything else you would like to know?
        Good luck!
    """),
    hedges=lines("""
        I'm not entirely sure about this.
        I could be mistaken here.
        As far as I can tell, it might be something like this.
        It is hard to say, and opinions may differ.
        Perhaps somebody else knows better.
        Please take this with a grain of salt, I'm only guessing.
        It possibly depends on many factors.
        I don't really know, but maybe this is it.
    """),
    rude=lines("""
        Honestly, that is a silly question.
        Everybody knows this, so why don't you?
        What a waste of time.
        You could have looked that up yourself, lazy.
        I can't believe that I have to explain this.
        Try to keep up, even if it is too much for you.
        This is boring, but fine.
        Don't bother me with such nonsense again.
    """),
    again=lines("""
        As I said before:
        To say it again:
        Once more:
        In other words:
        To repeat:
    """),
    apology="Your request",
    refusals=lines("""
        I'm sorry, but I can't help with that.
        I cannot assist with this request.
        As an AI language model, I am not able to answer that.
        I'm afraid that I have to decline this request.
        Unfortunately, I can't provide that kind of information.
        I must respectfully refuse to do this.
    """),
    reasons=lines("""
        It goes against my guidelines.
        This topic may be sensitive for some people.
        My purpose is to be helpful and harmless.
        Somebody might get hurt or feel offended.
        Please talk to a qualified professional instead.
        I would be glad to help you with something else.
        It is important to stay respectful and safe at all times.
        I hope that you understand my position.
        There may be better places to look for this.
    """),
)
