"""Synthetic pairs: readable chats whose outcome probabilities are known.

The annotator follows Davidson's model of paired comparisons with ties (R. R. Davidson, On extending the Bradley-Terry
model to accommodate ties in paired comparison experiments, JASA 65(329), 1970, section 2). With

    d = quality_a - quality_b + verbosity * (log words_a - log words_b) + position

the outcomes A wins, B wins and tie have probabilities proportional to exp(d / 2), exp(-d / 2) and tie. Quality is the
mean over turns of the quality that `answers` computes from the text: being right, being about the question, not
refusing without need, manners, repetition and formatting. The texts show all of it, so the Bayes floor can be reached.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from prefens.core.errors import ConfigError, DataError
from prefens.core.types import Pairs, Strings
from prefens.data.synthetic.answers import MODELS, Answer, draw_answer
from prefens.data.synthetic.chats import draw_conversation
from prefens.data.synthetic.draws import Draws

REPEATS = 0.085  # the share of rows that take an earlier row's prompt; about twice as many then share theirs
DIGITS = 12  # probabilities are rounded before labels are drawn: exp and log differ in the last bit between machines


@dataclass(frozen=True)
class Effects:
    """What moves the annotator beside quality.

    Attributes
    ----------
    verbosity : float
        Log odds of winning per log of the ratio of word counts.
    position : float
        Log odds that A gains by being shown first.
    tie : float
        Davidson's nu > 0, the weight of a tie between equals, where each win weighs 1.

    Raises
    ------
    ConfigError
        Where one is not finite, or where tie is not above 0.
    """

    verbosity: float = 0.6
    position: float = 0.15
    tie: float = 1.4

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not math.isfinite(value):
                raise ConfigError(f"{name}={value}", "a finite number", f"set {name} to a number such as 0.5")
        if self.tie <= 0:
            raise ConfigError(f"tie={self.tie}", "a number above 0", "set tie to a number such as 1.4")


DEFAULT = Effects()


@dataclass(frozen=True)
class _Side:
    model: str
    answers: tuple[Answer, ...]

    @property
    def turns(self) -> tuple[str, ...]:
        return tuple(answer.text for answer in self.answers)

    def appeal(self, verbosity: float) -> float:
        """Return the log odds of this side: mean quality and length."""
        words = sum(len(answer.text.split()) for answer in self.answers)
        quality = math.fsum(answer.quality for answer in self.answers) / len(self.answers)
        return quality + verbosity * math.log(max(words, 1))


@dataclass(frozen=True)
class _Row:
    id: str
    prompt: tuple[str, ...]
    a: _Side
    b: _Side
    label: int
    truth: tuple[tuple[float, ...], tuple[float, ...]]


def generate(rows: int, seed: int, effects: Effects = DEFAULT) -> Pairs:
    """Return labelled pairs with their true probabilities, the same on every machine.

    Row i depends on `seed`, i and `effects` only: fewer rows are a prefix of more rows, and the texts stay the same
    under other effects.

    Parameters
    ----------
    rows : int
        How many, at least 1.
    seed : int
        Of all draws.
    effects : Effects
        What moves the annotator beside quality.

    Raises
    ------
    ConfigError
        Where `rows` is below 1.
    """
    if rows < 1:
        raise ConfigError(f"rows={rows}", "at least 1 row", "set rows to the number of pairs that you want")
    drawn = [_row(seed, index, effects) for index in range(rows)]
    return Pairs(
        ids=_column([row.id for row in drawn]),
        prompt=_column([row.prompt for row in drawn]),
        response_a=_column([row.a.turns for row in drawn]),
        response_b=_column([row.b.turns for row in drawn]),
        label=np.array([row.label for row in drawn], dtype=np.int8),
        model_a=_column([row.a.model for row in drawn]),
        model_b=_column([row.b.model for row in drawn]),
        truth=np.array([row.truth for row in drawn], dtype=np.float64),
    )


def floors(pairs: Pairs) -> tuple[float, float]:
    """Return the lowest log losses, in nats, that can be expected on synthetic pairs.

    Returns
    -------
    bayes : float
        The mean entropy of the true probabilities.
    symmetric : float
        The floor of predictors that treat A and B alike: the mean entropy of (p(. | A, B) + swap(p(. | B, A))) / 2, the
        best prediction without knowing which response is shown first. It equals `bayes` where `position` is 0.

    Raises
    ------
    DataError
        Where the pairs have no true probabilities.
    """
    if pairs.truth is None:
        raise DataError("pairs without their truth", "synthetic pairs", "make them with data=synthetic")
    truth = pairs.truth
    entropy = -np.sum(truth * np.log(np.where(truth > 0, truth, 1.0)), axis=2).mean(axis=0)
    return float(entropy[0]), float(entropy[1])


def davidson(difference: float, tie: float) -> tuple[float, ...]:
    """Return the probabilities that A wins, B wins, and of a tie, at a difference in log odds."""
    half = abs(difference) / 2  # subtracted from every exponent, so that none is above 0
    weights = (math.exp(difference / 2 - half), math.exp(-difference / 2 - half), tie * math.exp(-half))
    return tuple(round(weight / math.fsum(weights), DIGITS) for weight in weights)


def _row(seed: int, index: int, effects: Effects) -> _Row:
    origin = _origin(seed, index)
    tasks = draw_conversation(Draws(f"{seed}:{origin}:prompt"))
    draws = Draws(f"{seed}:{index}:answers")
    left = draws.pick(MODELS)
    models = (left, draws.other(MODELS, left))
    a, b = (_Side(model.name, tuple(draw_answer(draws, task, model) for task in tasks)) for model in models)
    prompt = tuple(task.prompt if origin == index else _retyped(draws, task.prompt) for task in tasks)
    lead = a.appeal(effects.verbosity) - b.appeal(effects.verbosity)
    p, other_order = (davidson(lead + gain, effects.tie) for gain in (effects.position, -effects.position))
    q = tuple((first + second) / 2 for first, second in zip(p, other_order, strict=True))
    uniform = draws.uniform()
    label = int(uniform >= p[0]) + int(uniform >= p[0] + p[1])
    return _Row(f"synthetic-{seed}-{index:06d}", prompt, a, b, label, (p, q))


def _origin(seed: int, index: int) -> int:
    """Return the row whose prompt a row uses: itself, or an earlier one."""
    draws = Draws(f"{seed}:{index}:origin")
    return _origin(seed, draws.between(0, index - 1)) if index and draws.chance(REPEATS) else index


def _retyped(draws: Draws, prompt: str) -> str:
    """Return a prompt as somebody else might type it: the same up to case, spacing and final punctuation."""
    return draws.weighted((
        (prompt, 0.5), (prompt.lower(), 0.15), (prompt.rstrip(".!?"), 0.15), (prompt.replace(" ", "  "), 0.1),
        (f"{prompt}!!", 0.1),
    ))  # fmt: skip


def _column(values: Sequence[object]) -> Strings:
    return np.fromiter(values, dtype=np.object_, count=len(values))
