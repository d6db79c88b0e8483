"""Which effects the bias audit looks for: who has which trait, in which pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prefens.core.types import Ints, Pairs, Strings
from prefens.reporting.bias.estimator import TIES, Effect, margin
from prefens.reporting.bias.model_families import family
from prefens.reporting.bias.swapped_duplicates import find_mates
from prefens.reporting.language_id import NO_LETTERS, PLACE, UNCLEAR
from prefens.reporting.text_stats import Reading

Mask = NDArray[np.bool_]

EQUAL = float(np.log(1.2))  # of the ratio of words, up to which lengths are called equal
RATIOS = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0)  # edges of the classes of length ratios
FORMATS = {"lists": "with a list", "code_blocks": "with a code block", "headings": "with headings", "bold": "with bold"}
MANNERS = {"refusals": ("refusals", "refusing"), "as_ai": ("self", "speaking of itself as an AI")}
MANNERS |= {"own_name": ("self", "naming its own model or maker"), "praise": ("self", "praising itself")}
MOST_FAMILIES, MOST_MODEL_PAIRS = 15, 40


def main_effects(pairs: Pairs, reading: Reading) -> list[Effect]:
    """Return the effects of position, length, format, manner, language and turns on winning."""
    ratio = reading.log_ratio()
    first, longer = margin("position", "", np.ones(len(pairs))), margin("verbosity", "", ratio)
    equal, slices = np.abs(ratio) <= EQUAL, slices_of(reading)
    matched = find_mates(pairs) >= 0
    everywhere = np.ones(len(pairs), dtype=bool)
    position = {"shown first": everywhere, "shown first, both orders judged": matched}
    position |= {"shown first, at equal length": equal}
    position |= {f"shown first, {name}": keep for name, keep in slices.items()}
    verbosity = {"with more words": everywhere, "with more words by half": np.abs(ratio) >= np.log(1.5)}
    verbosity |= {f"with more words, {name}": keep for name, keep in slices.items()}
    found = [first.within(keep, name) for name, keep in position.items()]
    found += [longer.within(keep, name) for name, keep in verbosity.items()]
    return found + _traits(reading, equal)


def slices_of(reading: Reading) -> dict[str, Mask]:
    """Return the slices by turns and by the prompt's language, each an (n,) mask of some pairs, but not of all."""
    turns, spoken = reading.of(0, "turns"), reading.of(0, "language")
    clear = ~np.isin(spoken, [PLACE[UNCLEAR], PLACE[NO_LETTERS]])
    slices = {
        "one turn": turns == 1,
        "several turns": turns > 1,
        "English prompts": spoken == PLACE["English"],
        "other languages": clear & (spoken != PLACE["English"]),
    }
    return {name: keep for name, keep in slices.items() if keep.any() and not keep.all()}


def _traits(reading: Reading, equal: Mask) -> list[Effect]:
    """Return the effects of what a response has and the other has not; formats at equal length too."""
    found = []
    for column, name in FORMATS.items():
        effect = margin("formatting", name, _only(reading, column, at_least=2 if column == "lists" else 1))
        found += [effect, effect.within(equal, f"{name}, at equal length")]
    for column, (topic, name) in MANNERS.items():
        found.append(margin(topic, name, _only(reading, column)))
    return [*found, margin("language", "in another language than the prompt", _elsewhere(reading))]


def _only(reading: Reading, column: str, at_least: int = 1) -> Ints:
    a, b = ((side >= at_least).astype(np.int64) for side in reading.responses(column))
    one: Ints = a - b
    return one


def _elsewhere(reading: Reading) -> Ints:
    """Return 1 where A alone is in another language than the prompt, -1 where B alone is; unclear ones match."""
    vague = [PLACE[UNCLEAR], PLACE[NO_LETTERS]]
    asked = reading.of(0, "language")
    a, b = (
        ((side != asked) & ~np.isin(side, vague) & ~np.isin(asked, vague)).astype(np.int64)
        for side in reading.responses("language")
    )
    one: Ints = a - b
    return one


def ratio_effects(reading: Reading) -> list[Effect]:
    """Return the longer response's effect by class of the ratio of words."""
    ratio = reading.log_ratio()
    edges = [0.0, *np.log(RATIOS), np.inf]
    names = [f"{low:g} to {high:g} times" for low, high in zip((1.0, *RATIOS), RATIOS, strict=False)]
    place = np.digitize(np.abs(ratio), edges[1:-1])
    longer = margin("length ratio", "", ratio)
    return [longer.within(place == at, name) for at, name in enumerate([*names, f"over {RATIOS[-1]:g} times"])]


def tie_shares(pairs: Pairs, reading: Reading) -> list[Effect]:
    """Return the share of ties, in [0, 1], of all pairs and of slices in which ties may be more or less common."""
    same = np.array([a == b for a, b in zip(pairs.response_a, pairs.response_b, strict=True)], dtype=bool)
    refusing = np.minimum(*reading.responses("refusals")) > 0
    ratio = np.abs(reading.log_ratio())
    slices = {"all pairs": np.ones(len(pairs), dtype=bool), "identical responses": same}
    slices |= {"equal length": ratio <= EQUAL, "one twice as long": ratio >= np.log(2.0), "both refuse": refusing}
    return [Effect("ties", name, keep * 1.0, TIES) for name, keep in (slices | slices_of(reading)).items()]


def family_effects(pairs: Pairs) -> list[Effect]:
    """Return the effect of a model family against all others, the most frequent first; none without model names."""
    sides = model_columns(pairs)
    if sides is None:
        return []
    a, b = (np.array([family(name) for name in side], dtype=object) for side in sides)
    counts = Counter([*a[a != b], *b[a != b]])
    counts.pop("", None)
    weights = {name: (a == name).astype(np.int64) - (b == name) for name, _ in counts.most_common(MOST_FAMILIES)}
    return [margin("model family", name, weight) for name, weight in weights.items()]


def model_pair_effects(pairs: Pairs, most: int = MOST_MODEL_PAIRS) -> list[Effect]:
    """Return the effect of each of the most frequent pairs of models: the first by name against the second."""
    sides = model_columns(pairs)
    if sides is None:
        return []
    keys = [(min(models), max(models)) for models in zip(*sides, strict=True)]
    counts = Counter(key for key in keys if key[0] != key[1] and key[0])
    rows: dict[tuple[str, str], list[int]] = {key: [] for key, _ in counts.most_common(most)}
    for row, key in enumerate(keys):
        if key in rows:
            rows[key].append(row)
    return [_model_pair(sides[0], *key, found) for key, found in rows.items()]


def _model_pair(model_a: Strings, one: str, other: str, rows: Sequence[int]) -> Effect:
    weight = np.zeros(len(model_a))
    weight[rows] = np.where(model_a[rows] == one, 1.0, -1.0)
    return margin("model pair", f"{one} against {other}", weight)


def model_columns(pairs: Pairs) -> tuple[Strings, Strings] | None:
    """Return the models of A and B, or None where they are not known."""
    return None if pairs.model_a is None or pairs.model_b is None else (pairs.model_a, pairs.model_b)
