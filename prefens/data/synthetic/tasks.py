"""The topics of the synthetic pairs: each draws a prompt with a right and a wrong answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from math import prod

from prefens.data.synthetic.draws import Draws
from prefens.data.synthetic.texts import ENGLISH, SLOTS, Voice, load_texts, load_voice


@dataclass(frozen=True)
class Core:
    """The content of an answer, in the order of its parts.

    Attributes
    ----------
    key : str
        The key sentence.
    points : tuple of str
        Sentences that keep their order.
    remarks : tuple of str
        Sentences of which any may follow.
    extras : tuple of str
        Sentences that follow only after all remarks.
    block : str
        Code, after the key sentence.
    """

    key: str
    points: tuple[str, ...]
    remarks: tuple[str, ...]
    extras: tuple[str, ...] = ()
    block: str = ""


@dataclass(frozen=True)
class Task:
    """One turn of a conversation, with the contents of a right and of a wrong answer.

    Attributes
    ----------
    topic : str
        The topic.
    prompt : str
        The question.
    title : str
        The heading of a formatted answer.
    right, wrong : Core
        The contents.
    layout : str
        How a formatted answer looks: "list", "steps" (numbered), "prose" or "verse".
    often_refused : bool
        Whether it is a harmless request that models often refuse.
    voice : Voice
        The phrases of its language.
    """

    topic: str
    prompt: str
    title: str
    right: Core
    wrong: Core
    layout: str = "list"
    often_refused: bool = False
    voice: Voice = ENGLISH


def _core(topic: str, subject: str, key: str, points: tuple[str, ...], block: str = "") -> Core:
    return Core(key, points, _remarks(topic, subject), load_texts("english")["small_talk"], block)


@cache
def _remarks(topic: str, subject: str) -> tuple[str, ...]:
    return tuple(remark.format(subject=subject) for remark in load_texts(topic)["remarks"])


def _yours(text: str) -> str:
    """Return a phrase in the first person as it is said to the person."""
    return text.replace("my ", "your ").replace(" mine", " yours")


def _result(terms: str) -> int:
    """Return the value of a sum of products, such as "60 + 12 x 3 - 4"."""
    signed = re.findall(r"([+-]?) ?(\d+(?: x \d+)*)", terms)
    return sum((-1 if sign == "-" else 1) * prod(map(int, factors.split(" x "))) for sign, factors in signed)


def arithmetic(draws: Draws) -> Task:
    """Draw a word problem with sums and products."""
    story, items = draws.pick(load_texts("arithmetic")["stories"]), draws.pick(SLOTS["items"])
    a, b, c = draws.between(60, 400), draws.between(12, 60), draws.between(3, 12)
    terms, counted = story["sum"].format(a=a, b=b, c=c), story["counted"].format(items=items)
    answer = _result(terms)

    def core(result: int) -> Core:
        return _core("arithmetic", counted, f"The answer is {result}", (f"The sum is {terms} = {result}",))

    slip = draws.pick((-20, -10, -2, -1, 1, 2, 10, 20, c, b))
    prompt = draws.fill(story["text"], SLOTS, a=a, b=b, c=c, items=items)
    return Task("arithmetic", prompt, f"A problem with {counted}", core(answer), core(answer + slip))


def geography(draws: Draws) -> Task:
    """Draw a question about a capital or a continent."""
    texts = load_texts("geography")
    country, capital, city, continent, sight = draws.pick(texts["countries"])
    if draws.chance(0.25):
        prompt = draws.pick(texts["ask_continent"])
        elsewhere = draws.other(texts["continents"], continent)
        points = (f"The country is known for {sight}", f"Its capital is {capital}")
        right, wrong = (
            _core("geography", country, f"{country} is in {place}", points) for place in (continent, elsewhere)
        )
        return Task("geography", prompt.format(country, draws.pick((continent, elsewhere))), country, right, wrong)
    question, statement = draws.pick(texts["ask_capital"]), draws.pick(texts["say_capital"])
    points = (f"The country is known for {sight}", f"It is in {continent}")
    right, wrong = (_core("geography", country, statement.format(country, place), points) for place in (capital, city))
    first, second = draws.shuffled((capital, city))
    return Task("geography", question.format(country, first, second), f"The capital of {country}", right, wrong)


def science(draws: Draws) -> Task:
    """Draw a question about a scientific fact."""
    texts = load_texts("science")
    fact, question = draws.pick(texts["facts"]), draws.pick(texts["questions"])
    subject = draws.pick(("this", "it", "that"))
    right, wrong = (_core("science", subject, fact[key], fact["points"]) for key in ("fact", "mistake"))
    return Task("science", question.format(fact["question"]), fact["question"], right, wrong)


def code(draws: Draws) -> Task:
    """Draw a request for a Python function."""
    texts = load_texts("code")
    snippet = draws.pick(texts["snippets"])
    ask, name = snippet["ask"], draws.pick(snippet["names"])
    question = draws.pick(texts["questions"])

    def core(program: str) -> Core:
        block = f"```python\n{program.replace('{f}', name)}\n```"
        return _core("code", name, f"Here is a function that {ask}", snippet["notes"], block)

    right, wrong = core(snippet["right"]), core(snippet["wrong"])
    return Task("code", question.format(ask, name), f"The function {name}", right, wrong)


def howto(draws: Draws, topic: str = "howto") -> Task:
    """Draw a request for instructions."""
    texts = load_texts("howto")
    guide, question = draws.pick(texts[topic]), draws.pick(texts["questions"])
    circumstance = draws.fill(draws.pick(texts["circumstances"]), SLOTS)
    yours = _yours(guide["task"])
    right, wrong = (_core("howto", yours, f"Above all, {guide[key]}", guide["steps"]) for key in ("advice", "mistake"))
    prompt = question.format(guide["task"], circumstance)
    return Task(topic, prompt, f"How to {yours}", right, wrong, "steps", often_refused=topic == "often_refused")


def often_refused(draws: Draws) -> Task:
    """Draw a harmless request for instructions that models often refuse."""
    return howto(draws, "often_refused")


def creative(draws: Draws) -> Task:
    """Draw a request for a poem or a story."""
    texts = load_texts("creative")
    form, mood = draws.pick(texts["forms"]), draws.pick(texts["moods"])
    subject, place = draws.pick(texts["subjects"]), draws.pick(texts["places"])
    question = draws.pick(texts["questions"])
    lines = texts["poem_lines" if form == "poem" else "story_lines"]

    def core(who: tuple[str, ...], where: tuple[str, ...]) -> Core:
        remarks = tuple(line.format(short=who[1], place=where[0], there=where[1]) for line in lines)
        return Core(f"Here is a {mood} {form} about {who[0]} in {where[0]}", (), remarks)

    others = draws.other(texts["subjects"], subject), draws.other(texts["places"], place)
    prompt = question.format(mood=mood, form=form, who=subject[0], place=place[0])
    layout = "verse" if form == "poem" else "prose"
    return Task("creative", prompt, f"A {mood} {form}", core(subject, place), core(*others), layout)


def vocabulary(draws: Draws) -> Task:
    """Draw a question about a meaning or a translation."""
    texts = load_texts("vocabulary")
    if draws.chance(0.4):
        word, meaning, mistake = draws.pick(texts["meanings"])
        prompt = draws.pick(texts["ask_meaning"]).format(word)
        keys = [f'"{word}" means {statement}' for statement in (meaning, mistake)]
        title = f'The meaning of "{word}"'
    else:
        row, column = draws.pick(texts["words"]), draws.between(1, len(texts["languages"]))
        word, language = row[0], texts["languages"][column - 1]
        prompt = draws.pick(texts["ask_translation"]).format(word, language)
        statement = draws.pick(texts["say_translation"])
        keys = [statement.format(word, language, answer[column]) for answer in (row, draws.other(texts["words"], row))]
        title = f"{language}: {word}"
    right, wrong = (_core("vocabulary", f'"{word}"', key, ()) for key in keys)
    return Task("vocabulary", prompt, title, right, wrong)


def unsafe(draws: Draws) -> Task:
    """Draw a harmful request, which a right answer refuses."""
    texts = load_texts("unsafe")
    (wish, better), question = draws.pick(texts["wishes"]), draws.pick(texts["questions"])
    reasons = tuple(reason.format(better=better) for reason in texts["reasons"])
    refusal = f"{draws.pick(ENGLISH.refusals)} I won't help you {_yours(wish)}"
    right = Core(refusal, reasons[:2], reasons[2:])
    wrong = Core(f"To {_yours(wish)} is quite simple", texts["advice"][:1], texts["advice"][1:])
    return Task("unsafe", question.format(wish), "Your request", right, wrong)


def other_language(draws: Draws, language: str) -> Task:
    """Draw a question about a capital or a sum in "spanish", "french" or "german"."""
    texts = load_texts(language)
    if draws.chance(0.5):
        country, capital, city = draws.pick(texts["countries"])
        question, statement = draws.pick(texts["ask_capital"]), draws.pick(texts["say_capital"])
        keys = [statement.format(country=country, city=place) for place in (capital, city)]
        title, prompt = texts["titles"][0], question.format(country=country)
    else:
        a, b, items = draws.between(12, 99), draws.between(12, 99), draws.pick(texts["items"])
        question, statement = draws.pick(texts["ask_sum"]), draws.pick(texts["say_sum"])
        results = a + b, a + b + draws.pick((-10, -1, 1, 10))
        keys = [statement.format(answer=result, items=items) for result in results]
        title, prompt = texts["titles"][1], question.format(a=a, b=b, items=items)
    right, wrong = (Core(key, (), texts["remarks"]) for key in keys)
    return Task("other_language", prompt, title, right, wrong, voice=load_voice(language))
