"""The effects that the bias audit estimates: for each one, which response of which pairs has the trait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prefens.core.types import Ints, Pairs, Strings
from prefens.reporting.bias.estimator import TIES, Effect, margin
from prefens.reporting.bias.model_families import model_family
from prefens.reporting.bias.swapped_duplicates import find_swapped_duplicates
from prefens.reporting.language_id import LANGUAGE_INDEX, NO_LETTERS, UNCLEAR
from prefens.reporting.text_stats import TextStats

Mask = NDArray[np.bool_]

EQUAL_LENGTH = float(np.log(1.2))  # log ratio of words up to which lengths are called equal
RATIOS = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0)  # edges of the bins of length ratios
FORMATS = {"lists": "with a list", "code_blocks": "with a code block", "headings": "with headings", "bold": "with bold"}
PHRASES = {
    "refusals": ("refusals", "refusing"),
    "as_ai": ("self", "speaking of itself as an AI"),
    "own_name": ("self", "naming its own model or maker"),
    "praise": ("self", "praising itself"),
}  # column -> topic and name
MAX_FAMILIES, MAX_MODEL_PAIRS = 15, 40
NO_LANGUAGE = [LANGUAGE_INDEX[UNCLEAR], LANGUAGE_INDEX[NO_LETTERS]]


def bias_effects(pairs: Pairs, stats: TextStats) -> list[Effect]:
    """Return the effects of position, length, format, phrases and language on winning.

    Parameters
    ----------
    pairs : Pairs
        n pairs.
    stats : TextStats
        Those of their texts.
    """
    log_ratio = stats.log_length_ratio()
    first, longer = margin("position", "", np.ones(len(pairs))), margin("verbosity", "", log_ratio)
    equal, slices = np.abs(log_ratio) <= EQUAL_LENGTH, slice_masks(stats)
    all_pairs = np.ones(len(pairs), dtype=bool)
    position = {
        "shown first": all_pairs,
        "shown first, both orders judged": find_swapped_duplicates(pairs) >= 0,
        "shown first, at equal length": equal,
        **{f"shown first, {name}": mask for name, mask in slices.items()},
    }
    verbosity = {
        "with more words": all_pairs,
        "with more words by half": np.abs(log_ratio) >= np.log(1.5),
        **{f"with more words, {name}": mask for name, mask in slices.items()},
    }
    effects = [first.within(mask, name) for name, mask in position.items()]
    effects += [longer.within(mask, name) for name, mask in verbosity.items()]
    return effects + _trait_effects(stats, equal)


def slice_masks(stats: TextStats) -> dict[str, Mask]:
    """Return the slices by turns and by the prompt's language: masks, shape (n,), of some pairs but not of all."""
    turns, language = stats.prompt("turns"), stats.prompt("language")
    english = language == LANGUAGE_INDEX["English"]
    slices = {
        "one turn": turns == 1,
        "several turns": turns > 1,
        "English prompts": english,
        "other languages": ~english & ~np.isin(language, NO_LANGUAGE),
    }
    return {name: mask for name, mask in slices.items() if mask.any() and not mask.all()}


def _trait_effects(stats: TextStats, equal: Mask) -> list[Effect]:
    """Return the effects of traits that one response has and the other lacks; formats at equal length too."""
    effects = []
    for column, name in FORMATS.items():
        effect = margin("formatting", name, _one_sided(stats, column, at_least=2 if column == "lists" else 1))
        effects += [effect, effect.within(equal, f"{name}, at equal length")]
    for column, (topic, name) in PHRASES.items():
        effects.append(margin(topic, name, _one_sided(stats, column)))
    return [*effects, margin("language", "in another language than the prompt", _other_language(stats))]


def _one_sided(stats: TextStats, column: str, at_least: int = 1) -> Ints:
    """Return 1 where A alone has the trait, -1 where B alone has it, else 0."""
    a, b = ((counts >= at_least).astype(np.int64) for counts in stats.responses(column))
    side: Ints = a - b
    return side


def _other_language(stats: TextStats) -> Ints:
    """Return 1 where A alone is in another language than the prompt, -1 where B alone is; unclear ones match."""
    prompt = stats.prompt("language")
    a, b = (
        ((response != prompt) & ~np.isin(response, NO_LANGUAGE) & ~np.isin(prompt, NO_LANGUAGE)).astype(np.int64)
        for response in stats.responses("language")
    )
    side: Ints = a - b
    return side


def length_effects(stats: TextStats) -> list[Effect]:
    """Return the effect of the longer response on winning, by the ratio of words."""
    log_ratio = stats.log_length_ratio()
    edges = [0.0, *np.log(RATIOS), np.inf]
    names = [f"{low:g} to {high:g} times" for low, high in zip((1.0, *RATIOS), RATIOS, strict=False)]
    bins = np.digitize(np.abs(log_ratio), edges[1:-1])
    longer = margin("length ratio", "", log_ratio)
    return [longer.within(bins == index, name) for index, name in enumerate([*names, f"over {RATIOS[-1]:g} times"])]


def tie_effects(pairs: Pairs, stats: TextStats) -> list[Effect]:
    """Return the share of ties, in [0, 1], of all pairs and of slices in which ties may be more or less frequent."""
    same = np.array([a == b for a, b in zip(pairs.response_a, pairs.response_b, strict=True)], dtype=bool)
    log_ratio = np.abs(stats.log_length_ratio())
    slices = {
        "all pairs": np.ones(len(pairs), dtype=bool),
        "identical responses": same,
        "equal length": log_ratio <= EQUAL_LENGTH,
        "one twice as long": log_ratio >= np.log(2.0),
        "both refuse": np.minimum(*stats.responses("refusals")) > 0,
        **slice_masks(stats),
    }
    return [Effect("ties", name, mask * 1.0, TIES) for name, mask in slices.items()]


def family_effects(pairs: Pairs) -> list[Effect]:
    """Return the effect of each model family against all others, the most frequent first; none without model names."""
    models = model_columns(pairs)
    if models is None:
        return []
    a, b = (np.array([model_family(name) for name in column], dtype=object) for column in models)
    counts = Counter([*a[a != b], *b[a != b]])
    counts.pop("", None)
    weights = {name: (a == name).astype(np.int64) - (b == name) for name, _ in counts.most_common(MAX_FAMILIES)}
    return [margin("model family", name, weight) for name, weight in weights.items()]


def model_pair_effects(pairs: Pairs, most: int = MAX_MODEL_PAIRS) -> list[Effect]:
    """Return the effect of each of the most frequent pairs of models: the first by name against the second."""
    models = model_columns(pairs)
    if models is None:
        return []
    keys = [(min(names), max(names)) for names in zip(*models, strict=True)]
    counts = Counter(key for key in keys if key[0] != key[1] and key[0])
    rows: dict[tuple[str, str], list[int]] = {key: [] for key, _ in counts.most_common(most)}
    for row, key in enumerate(keys):
        if key in rows:
            rows[key].append(row)
    return [_model_pair_effect(models[0], *key, key_rows) for key, key_rows in rows.items()]


def _model_pair_effect(model_a: Strings, one: str, other: str, rows: Sequence[int]) -> Effect:
    weight = np.zeros(len(model_a))
    weight[rows] = np.where(model_a[rows] == one, 1.0, -1.0)
    return margin("model pair", f"{one} against {other}", weight)


def model_columns(pairs: Pairs) -> tuple[Strings, Strings] | None:
    """Return the models of A and of B, each of shape (n,), or None where the data does not name them."""
    return None if pairs.model_a is None or pairs.model_b is None else (pairs.model_a, pairs.model_b)
