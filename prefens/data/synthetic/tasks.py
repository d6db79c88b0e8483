"""The topics of the synthetic pairs: each draws a prompt with a right and a wrong answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from prefens.data.synthetic.crafts import (
    CIRCUMSTANCES,
    FORMS,
    HOWTO,
    MOODS,
    PLACES,
    POEM_LINES,
    SNIPPETS,
    STORY_LINES,
    SUBJECTS,
    TOUCHY,
)
from prefens.data.synthetic.draws import Draws
from prefens.data.synthetic.facts import CONTINENTS, COUNTRIES, LANGUAGES, MEANINGS, SCIENCE, WORDS
from prefens.data.synthetic.foreign import FRENCH, GERMAN, SPANISH, Language
from prefens.data.synthetic.remarks import REMARKS, SMALL_TALK, UNSAFE, UNSAFE_ADVICE, UNSAFE_REASONS
from prefens.data.synthetic.texts import ENGLISH, SLOTS, Voice


@dataclass(frozen=True)
class Core:
    """What an answer says.

    Its key sentence comes first, then a block (code), then points in their order, then any of the remarks, and of the
    extras only once the remarks are used up.
    """

    key: str
    points: tuple[str, ...]
    remarks: tuple[str, ...]
    extras: tuple[str, ...] = ()
    block: str = ""


@dataclass(frozen=True)
class Task:
    """One turn: its topic, what is asked, a heading, the right and the wrong content and how to lay them out.

    `layout` is how a well-formatted answer looks: "list", "steps" (numbered), "prose" or "verse". `touchy` marks
    harmless requests that are often refused.
    """

    topic: str
    prompt: str
    title: str
    right: Core
    wrong: Core
    layout: str = "list"
    touchy: bool = False
    voice: Voice = ENGLISH


class Story(NamedTuple):
    """A word problem in a, b and c, its result, its working and what it counts."""

    text: str
    solve: Callable[[int, int, int], int]
    working: str
    counted: str = "{items}"


STORIES = (
    Story("{name} has {a} {items} and buys {b} more. How many {items} does {name} have now?",
          lambda a, b, c: a + b, "{a} + {b} = {answer}"),
    Story("There are {a} {items} in a box in {town}. {name} takes out {c}. How many are left?",
          lambda a, b, c: a - c, "{a} - {c} = {answer}"),
    Story("{name} packs {b} bags with {c} {items} each. How many {items} is that in all?",
          lambda a, b, c: b * c, "{b} x {c} = {answer}"),
    Story("A shop sells {a} {items} on {day} and {b} on the next day, but {c} come back. How many are sold in the end?",
          lambda a, b, c: a + b - c, "{a} + {b} - {c} = {answer}"),
    Story("{name} saves {c} euros a week for {b} weeks and had {a} euros before. How much money is it now?",
          lambda a, b, c: a + b * c, "{a} + {b} x {c} = {answer}", "euros"),
    Story("A bus with {a} seats leaves {town} with {c} seats empty. How many people are on it?",
          lambda a, b, c: a - c, "{a} - {c} = {answer}", "seats"),
    Story("One of the {items} weighs {c} grams. How many grams do {b} of them weigh?",
          lambda a, b, c: b * c, "{c} x {b} = {answer}", "grams"),
    Story("{name} reads {b} pages on {day} and {c} fewer on the next day. How many pages is that together?",
          lambda a, b, c: b + b - c, "{b} + {b} - {c} = {answer}", "pages"),
)  # fmt: skip


def _core(topic: str, subject: str, key: str, points: tuple[str, ...], block: str = "") -> Core:
    return Core(key, points, _remarks(topic, subject), SMALL_TALK, block)


@cache
def _remarks(topic: str, subject: str) -> tuple[str, ...]:
    return tuple(remark.format(subject=subject) for remark in REMARKS[topic])


def _yours(text: str) -> str:
    """Return what somebody said about themselves as it is said to them."""
    return text.replace("my ", "your ").replace(" mine", " yours")


def arithmetic(draws: Draws) -> Task:
    story, items = draws.pick(STORIES), draws.pick(SLOTS["items"])
    a, b, c = draws.between(60, 400), draws.between(12, 60), draws.between(3, 12)
    answer, counted = story.solve(a, b, c), story.counted.format(items=items)

    def core(result: int) -> Core:
        working = story.working.format(a=a, b=b, c=c, answer=result)
        return _core("arithmetic", counted, f"The answer is {result}", (f"The sum is {working}",))

    slip = draws.pick((-20, -10, -2, -1, 1, 2, 10, 20, c, b))
    prompt = draws.fill(story.text, SLOTS, a=a, b=b, c=c, items=items)
    return Task("arithmetic", prompt, f"A problem with {counted}", core(answer), core(answer + slip))


def geography(draws: Draws) -> Task:
    country, capital, city, continent, sight = draws.pick(COUNTRIES)
    if draws.chance(0.25):
        prompt = draws.pick(
            ("On which continent is {0}?", "Is {0} in {1}, or where is it?", "Which continent is {0} on?")
        )
        elsewhere = draws.other(CONTINENTS, continent)
        points = (f"The country is known for {sight}", f"Its capital is {capital}")
        right, wrong = (
            _core("geography", country, f"{country} is in {place}", points) for place in (continent, elsewhere)
        )
        return Task("geography", prompt.format(country, draws.pick((continent, elsewhere))), country, right, wrong)
    asked = draws.pick((
        "What is the capital of {0}?", "Which city is the capital of {0}?", "Name the capital city of {0}.",
        "Is {1} the capital of {0}?", "Where does the government of {0} sit, in which capital?",
        "I always forget the capital of {0}. What is it?", "{1} or {2}: which one is the capital of {0}?",
    ))  # fmt: skip
    said = draws.pick(("The capital of {0} is {1}", "{1} is the capital of {0}", "It is {1}, the capital of {0}"))
    points = (f"The country is known for {sight}", f"It is in {continent}")
    right, wrong = (_core("geography", country, said.format(country, place), points) for place in (capital, city))
    first, second = draws.shuffled((capital, city))
    return Task("geography", asked.format(country, first, second), f"The capital of {country}", right, wrong)


def science(draws: Draws) -> Task:
    question, fact, mistake, *points = draws.pick(SCIENCE)
    asked = draws.pick((
        "Can you explain {0}?", "I would like to know {0}.", "Please tell me {0}.", "Do you know {0}?",
        "What would you say if I asked {0}?", "In simple words, please: {0}.", "Nobody could tell me {0}. Can you?",
    ))  # fmt: skip
    subject = draws.pick(("this", "it", "that"))
    right, wrong = (_core("science", subject, key, tuple(points)) for key in (fact, mistake))
    return Task("science", asked.format(question), question, right, wrong)


def code(draws: Draws) -> Task:
    snippet = draws.pick(SNIPPETS)
    name = draws.pick(snippet.names)
    asked = draws.pick((
        "Write a Python function that {0}.", "How do I write a Python function that {0}?",
        "I need a Python function called {1} that {0}.", "Complete this:\n\n```python\ndef {1}(...):  # {0}\n```",
        "Show me a short function in Python that {0}. Call it {1}.", "My {1} function should be one that {0}. Help?",
    ))  # fmt: skip
    key = f"Here is a function that {snippet.ask}"

    def core(code: str) -> Core:
        return _core("code", name, key, snippet.notes, f"```python\n{code.replace('{f}', name)}\n```")

    return Task(
        "code", asked.format(snippet.ask, name), f"The function {name}", core(snippet.right), core(snippet.wrong)
    )


def howto(draws: Draws, touchy: bool = False) -> Task:
    task, advice, mistake, steps = draws.pick(TOUCHY if touchy else HOWTO)
    asked = draws.pick((
        "How do I {0} {1}?", "What is the best way to {0} {1}?", "Give me a list of steps to {0} {1}.",
        "I want to {0} {1}. Where do I start?", "Tips to {0} {1}, please.", "Is it hard to {0} {1}?",
    ))  # fmt: skip
    circumstance = draws.fill(draws.pick(CIRCUMSTANCES), SLOTS)
    points = tuple(step.strip() for step in steps.split(";"))
    right, wrong = (_core("howto", _yours(task), f"Above all, {key}", points) for key in (advice, mistake))
    prompt = asked.format(task, circumstance)
    return Task("touchy" if touchy else "howto", prompt, f"How to {_yours(task)}", right, wrong, "steps", touchy)


def touchy(draws: Draws) -> Task:
    return howto(draws, touchy=True)


def creative(draws: Draws) -> Task:
    form, mood = draws.pick(FORMS), draws.pick(MOODS)
    subject, place = draws.pick(SUBJECTS), draws.pick(PLACES)
    asked = draws.pick((
        "Write a {mood} {form} about {who}, set in {place}.", "Please write me a {mood} {form}: {who} in {place}.",
        "Can you make up a {mood} {form} about {who} in {place}?", "I need a {mood} {form}, about {who} in {place}.",
    ))  # fmt: skip

    def core(who: tuple[str, ...], where: tuple[str, ...]) -> Core:
        told = POEM_LINES if form == "poem" else STORY_LINES
        slots = {"short": who[1], "place": where[0], "there": where[1]}
        remarks = tuple(line.replace(" / ", "\n").format_map(slots) for line in told)
        return Core(f"Here is a {mood} {form} about {who[0]} in {where[0]}", (), remarks)

    right, wrong = core(subject, place), core(draws.other(SUBJECTS, subject), draws.other(PLACES, place))
    prompt = asked.format(mood=mood, form=form, who=subject[0], place=place[0])
    return Task("creative", prompt, f"A {mood} {form}", right, wrong, "verse" if form == "poem" else "prose")


def vocabulary(draws: Draws) -> Task:
    if draws.chance(0.4):
        word, meaning, mistake = draws.pick(MEANINGS)
        asked = draws.pick(
            (
                'What does "{0}" mean?',
                'Define "{0}".',
                'I read "{0}" in a book. What is it?',
                'What is the meaning of "{0}"?',
            )
        )
        keys = [f'"{word}" means {said}' for said in (meaning, mistake)]
        title = f'The meaning of "{word}"'
    else:
        row, column = draws.pick(WORDS), draws.between(1, len(LANGUAGES))
        word, language = row[0], LANGUAGES[column - 1]
        asked = draws.pick((
            'How do you say "{0}" in {1}?', 'Translate "{0}" into {1}.', 'What is the {1} word for "{0}"?',
            'I need "{0}" in {1}.', "My {1} is poor: what is {0} called?",
        ))  # fmt: skip
        said = draws.pick(('The {1} word for "{0}" is "{2}"', 'In {1}, "{0}" is "{2}"', '"{2}" is {1} for "{0}"'))
        keys = [said.format(word, language, answer[column]) for answer in (row, draws.other(WORDS, row))]
        asked = asked.format("{0}", language)
        title = f"{language}: {word}"
    right, wrong = (_core("vocabulary", f'"{word}"', key, ()) for key in keys)
    return Task("vocabulary", asked.format(word), title, right, wrong)


def unsafe(draws: Draws) -> Task:
    wish, better = draws.pick(UNSAFE)
    asked = draws.pick((
        "How can I {0}?", "Tell me how to {0}.", "What is the easiest way to {0}?", "I want to {0}. What should I do?",
        "Nobody will know: how do I {0}?", "Write a plan that lets me {0}.",
    ))  # fmt: skip
    reasons = tuple(reason.format(better=better) for reason in UNSAFE_REASONS)
    refusal = f"{draws.pick(ENGLISH.refusals)} I won't help you {_yours(wish)}"
    right = Core(refusal, reasons[:2], reasons[2:])
    wrong = Core(f"To {_yours(wish)} is quite simple", UNSAFE_ADVICE[:1], UNSAFE_ADVICE[1:])
    return Task("unsafe", asked.format(wish), "Your request", right, wrong)


def _foreign(draws: Draws, language: Language) -> Task:
    if draws.chance(0.5):
        country, capital, city = draws.pick(language.countries)
        asked, said = draws.pick(language.capital), draws.pick(language.says_capital)
        keys = [said.format(country=country, city=place) for place in (capital, city)]
        title, prompt = language.titles[0], asked.format(country=country)
    else:
        a, b, items = draws.between(12, 99), draws.between(12, 99), draws.pick(language.items)
        asked, said = draws.pick(language.sum), draws.pick(language.says_sum)
        keys = [said.format(answer=result, items=items) for result in (a + b, a + b + draws.pick((-10, -1, 1, 10)))]
        title, prompt = language.titles[1], asked.format(a=a, b=b, items=items)
    right, wrong = (Core(key, (), language.remarks) for key in keys)
    return Task("foreign", prompt, title, right, wrong, voice=language.voice)


def spanish(draws: Draws) -> Task:
    return _foreign(draws, SPANISH)


def french(draws: Draws) -> Task:
    return _foreign(draws, FRENCH)


def german(draws: Draws) -> Task:
    return _foreign(draws, GERMAN)
