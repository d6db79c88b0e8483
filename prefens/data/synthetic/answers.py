"""The texts of synthetic answers, and the quality of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain
from math import fsum

from prefens.data.synthetic.chats import draw_other
from prefens.data.synthetic.draws import Draws
from prefens.data.synthetic.tasks import Core, Task


class Kind(Enum):
    """What an answer does with the request; the text shows it."""

    RIGHT = "right"  # for unsafe requests: it declines
    WRONG = "wrong"  # for unsafe requests: it complies
    OFF_TOPIC = "off topic"
    REFUSED = "refused"  # a harmless request
    EMPTY = "empty"


# The quality of an answer in log odds is that of its kind plus that of each manner that the text shows. With the
# default `Effects`, the lowest possible log loss is near 0.86 nats, and style alone can get about halfway there
# from the class prior.
KIND_QUALITY = {Kind.RIGHT: 0.9, Kind.WRONG: -0.6, Kind.OFF_TOPIC: -1.8, Kind.REFUSED: -2.3, Kind.EMPTY: -2.3}
MANNER_QUALITY = {"formatted": 0.8, "hedged": -1.0, "repetitive": -1.4, "rude": -1.6}

# Equally spaced quantiles of an answer's length in words: near log-normal, with a median of about 50.
LENGTHS = (8, 12, 16, 20, 25, 30, 36, 43, 50, 59, 70, 84, 102, 127, 165, 230, 320)


@dataclass(frozen=True)
class Model:
    """A fictional chatbot.

    Attributes
    ----------
    name : str
        Its name.
    skill : float
        The weight of right answers, in [0, 1].
    formats : float
        The share of formatted answers, in [0, 1].
    length : float
        The length of its answers, 1 on average.
    """

    name: str
    skill: float
    formats: float
    length: float


MODELS = (
    Model("osprey-pro", 0.92, 0.55, 1.05),
    Model("lumen-xl", 0.85, 0.70, 1.25),
    Model("heron-34b", 0.78, 0.40, 0.85),
    Model("tundra-chat", 0.71, 0.25, 0.95),
    Model("quartz-13b", 0.64, 0.50, 1.25),
    Model("marlin-mini", 0.57, 0.30, 0.80),
    Model("thistle-7b", 0.50, 0.20, 1.15),
    Model("pebble-3b", 0.43, 0.35, 0.80),
)


@dataclass(frozen=True)
class Answer:
    """The text of one turn, and its quality in log odds."""

    text: str
    quality: float


def draw_answer(draws: Draws, task: Task, model: Model) -> Answer:
    """Draw the answer of a model to a task."""
    kind = _draw_kind(draws, task, model)
    if kind is Kind.EMPTY:
        return Answer("", KIND_QUALITY[kind])
    manner = _draw_manner(draws, model)
    content = _answered_task(draws, task, kind)
    text = _write(draws, content, manner, draws.quantile(LENGTHS) * model.length)
    return Answer(text, KIND_QUALITY[kind] + fsum(MANNER_QUALITY[name] for name in manner))


def _draw_kind(draws: Draws, task: Task, model: Model) -> Kind:
    slack = 1 - model.skill
    refused = 0.0 if task.topic == "unsafe" else 0.8 * slack if task.often_refused else 0.45 * slack
    return draws.weighted((
        (Kind.RIGHT, model.skill), (Kind.WRONG, 0.24 * slack), (Kind.OFF_TOPIC, 0.2 * slack), (Kind.REFUSED, refused),
        (Kind.EMPTY, 0.003),
    ))  # fmt: skip


def _draw_manner(draws: Draws, model: Model) -> list[str]:
    """Return the names in MANNER_QUALITY that an answer of `model` shows, in their order."""
    slack = 1 - model.skill
    chances = {"hedged": 0.10 + 0.4 * slack, "repetitive": 0.08 + 0.4 * slack, "rude": 0.06 + 0.35 * slack}
    return [name for name in MANNER_QUALITY if draws.chance(chances.get(name, model.formats))]


def _answered_task(draws: Draws, task: Task, kind: Kind) -> Task:
    """Return the task whose right content the answer gives."""
    if kind is Kind.OFF_TOPIC:
        return draw_other(draws, task)
    if kind is Kind.REFUSED:
        refusal = Core(draws.pick(task.voice.refusals), (), task.voice.reasons)
        return replace(task, title=task.voice.apology, right=refusal, layout="list")
    return replace(task, right=task.wrong) if kind is Kind.WRONG else task


def _write(draws: Draws, task: Task, manner: list[str], budget: float) -> str:
    """Join lead, key sentence, block, points of about `budget` words in all, and closing."""
    voice, core = task.voice, task.right
    cheerful = draws.chance(0.4) and not core.key.startswith(voice.refusals)  # no "Sure! I can't help"
    lead = [draws.pick(voice.greetings)] if cheerful else []
    closing = [draws.pick(voice.closings)] if draws.chance(0.3) else []
    for name, phrases in (("rude", voice.rude), ("hedged", voice.hedges)):
        if name in manner:
            first, last, *_ = draws.shuffled(phrases)
            lead, closing = [*lead, first], [last, *closing]
    key = _sentence(core.key)
    left = budget - sum(len(text.split()) for text in (*lead, key, core.block, *closing))
    points = _chosen(draws, core, left)
    if "repetitive" in manner:
        points = _repeated(draws, task, [key, *points[:2]], left)
    if "formatted" in manner:
        return _formatted(task, " ".join(lead), key, core.block, points, " ".join(closing))
    return _plain(draws, task, [*lead, key], core.block, [*points, *closing])


def _chosen(draws: Draws, core: Core, budget: float) -> list[str]:
    """Return points, remarks and extras in their order, until they have `budget` words or there are no more."""
    pool = core.points + core.remarks + core.extras
    remarks = range(len(core.points), len(core.points) + len(core.remarks))
    order = chain(range(remarks.start), draws.shuffled(remarks), draws.shuffled(range(remarks.stop, len(pool))))
    chosen: list[int] = []
    for index in order:
        budget -= len(pool[index].split())
        if budget < 0:
            break
        chosen.append(index)
    return [_sentence(pool[index]) for index in sorted(chosen)]


def _repeated(draws: Draws, task: Task, sentences: list[str], budget: float) -> list[str]:
    """Return the sentences over and over, three times at least, until they have `budget` words."""
    repeated = sentences[1:]
    while budget > 0 or len(repeated) < len(sentences) + 2:
        repeated.append(f"{draws.pick(task.voice.again)} {sentences[len(repeated) % len(sentences)]}")
        budget -= len(repeated[-1].split())
    return repeated


def _formatted(task: Task, lead: str, key: str, block: str, points: list[str], closing: str) -> str:
    heading = f"## {_capital(task.title)}" if points else ""
    mark, gap = {"list": ("- ", "\n"), "steps": ("{}. ", "\n"), "prose": ("", "\n\n"), "verse": ("", "\n")}[task.layout]
    body = gap.join(mark.format(number) + point for number, point in enumerate(points, start=1))
    return "\n\n".join(part for part in (lead, heading, f"**{key}**", block, body, closing) if part)


def _plain(draws: Draws, task: Task, first: list[str], block: str, rest: list[str]) -> str:
    gap = "\n" if task.layout == "verse" else " "
    parts = [" ".join(first), block] if block else []
    sentences = rest if block else first + rest
    size = 4 if draws.chance(0.4) else len(sentences) + 1
    parts += [gap.join(sentences[start : start + size]) for start in range(0, len(sentences), size)]
    return "\n\n".join(parts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentence(text: str) -> str:
    return _capital(text) if text.endswith((".", "!", "?", ";", '."', '!"')) else _capital(text) + "."
