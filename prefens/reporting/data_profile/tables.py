"""The tables of the data study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.metrics import outcome_counts
from prefens.core.types import SWAP, Ints, Outcome, Pairs
from prefens.data.text.style_counts import SCRIPTS
from prefens.reporting.language_id import LANGUAGES, NO_LETTERS, UNCLEAR
from prefens.reporting.plots import NAMES
from prefens.reporting.section import Table
from prefens.reporting.text_stats import Reading

MOST_MODELS = 20
MOST_TURNS = 6
QUANTILES = {"5 %": 0.05, "median": 0.5, "95 %": 0.95, "99 %": 0.99}
WORDS = "Words are what stands between spaces; in scripts without spaces every character is one."
TOKENS = " Tokens: of an evenly spaced sample of {:,} texts."
NO_TOKENS = " Tokens were not counted: no tokenizer was at hand."
GUESSED = (
    "Guessed from the script and, where it is Latin, from the function words of eight languages; texts without any of "
    "them are unclear, and other Latin languages go to the closest."
)


@dataclass(frozen=True)
class Standing:
    """A model's record: in how many pairs it took part, and the shares that it won, tied and lost."""

    model: str
    pairs: int
    won: float
    tied: float
    lost: float


def standings(pairs: Pairs) -> list[Standing]:
    """Return the record of every model, the most frequent first; none where models or labels are not known."""
    if pairs.model_a is None or pairs.model_b is None or pairs.label is None:
        return []
    models = np.concatenate([pairs.model_a, pairs.model_b]).astype(str)
    label = pairs.label.astype(np.int64)
    outcome = np.concatenate([label, SWAP[label]])  # as seen from the model's side
    names, place = np.unique(models, return_inverse=True)
    counts = np.zeros((len(names), pairs.n_outcomes))
    np.add.at(counts, (place, outcome), 1)
    found = []
    for name, row in zip(names, counts, strict=True):
        won, lost, tied = (float(row[each] / row.sum()) for each in Outcome)
        found.append(Standing(str(name), int(row.sum()), won, tied, lost))
    return sorted((each for each in found if each.model), key=lambda each: (-each.pairs, each.model))


def overview_table(facts: Mapping[str, int], repaired: Mapping[str, int]) -> Table:
    """What there is, and what had to be mended to read it."""
    rows: list[dict[str, Any]] = [{"what": name, "number": number} for name, number in facts.items()]
    rows += [{"what": f"repaired: {kind}", "number": count} for kind, count in repaired.items()]
    return Table("The data", rows, "" if repaired else "No text had to be repaired.")


def label_table(pairs: Pairs) -> Table:
    """How often each outcome was chosen."""
    if pairs.label is None:
        return Table("Outcomes", [])
    counts = outcome_counts(pairs.label, pairs.n_outcomes)
    rows = [
        {"outcome": NAMES[each], "pairs": int(counts[each]), "share": _share(counts[each], counts)} for each in Outcome
    ]
    return Table("Outcomes", rows, digits=3)


def hygiene_table(problems: Mapping[str, NDArray[np.bool_]], shared: int, leaked: float, leaking: int | None) -> Table:
    """How many rows are empty, repeated, contradictory, or share their prompt."""
    total = max(1, len(next(iter(problems.values()))))
    counts: dict[str, float] = {"a prompt that another row has too": shared}
    counts["a prompt that plain stratified folds would leak (expected)"] = round(leaked)
    if leaking is not None:
        counts["a prompt that the folds used here leak"] = leaking
    counts |= {name: int(mask.sum()) for name, mask in problems.items()}
    rows = [{"rows with": name, "rows": int(count), "share": count / total} for name, count in counts.items()]
    note = "Prompts are the same if they are up to case, spaces and punctuation; pairs, if their texts are."
    return Table("Shared, repeated and empty", rows, note, digits=4)


def length_table(reading: Reading, tokens: Mapping[str, Ints]) -> Table:
    """How long prompts and responses are."""
    counts = {
        f"{part}, {unit}": values
        for unit in ("chars", "words")
        for part, values in (("prompt", reading.of(0, unit)), ("response", np.concatenate(reading.responses(unit))))
    }
    counts |= {f"{part}, tokens": values for part, values in tokens.items()}
    rows: list[dict[str, Any]] = [
        {"text, unit": name.replace("chars", "characters"), "mean": float(values.mean())}
        | {label: float(np.quantile(values, at)) for label, at in QUANTILES.items()}
        | {"longest": int(values.max())}
        for name, values in counts.items()
        if len(values)
    ]
    note = TOKENS.format(sum(map(len, tokens.values()))) if tokens else NO_TOKENS
    return Table("Lengths, all turns together", rows, WORDS + note, digits=0)


def turn_table(reading: Reading) -> Table:
    """How many turns the chats have."""
    turns = reading.of(0, "turns")
    counts = np.bincount(np.minimum(turns, MOST_TURNS), minlength=MOST_TURNS + 1)
    names = [*map(str, range(MOST_TURNS)), f"{MOST_TURNS} or more"]
    return _counted("Turns", "turns", dict(zip(names, counts.tolist(), strict=True)))


def language_table(reading: Reading) -> Table:
    """Which languages the prompts are in, and how often a response is in the same."""
    asked = reading.of(0, "language")
    answered = np.mean([side == asked for side in reading.responses("language")], axis=0)
    rows = [
        {"language": LANGUAGES[place], "prompts": int(count), "share": _share(count, counts), "answered in it": same}
        for counts in [np.bincount(asked, minlength=len(LANGUAGES))]
        for place, count in enumerate(counts)
        if count
        for same in [None if LANGUAGES[place] in (UNCLEAR, NO_LETTERS) else float(answered[asked == place].mean())]
    ]
    return Table("Languages", sorted(rows, key=lambda row: -int(row["prompts"])), GUESSED, digits=3)


def script_table(reading: Reading) -> Table:
    """In which scripts most letters of prompts and responses are."""
    prompts, responses = reading.of(0, "script"), np.concatenate(reading.responses("script"))
    rows = [
        {
            "script": name.replace("_", " "),
            "prompts": int((prompts == place).sum()),
            "responses": int((responses == place).sum()),
        }
        for place, name in [*enumerate(SCRIPTS), (-1, "no letters")]
        if (prompts == place).any() or (responses == place).any()
    ]
    return Table("Scripts", sorted(rows, key=lambda row: -int(row["responses"])), "The script with the most letters.")


def model_table(found: Sequence[Standing]) -> Table:
    """How often the most frequent models win, tie and lose."""
    rows = [vars(each) for each in found[:MOST_MODELS]]
    rest = f"The {MOST_MODELS} most frequent of {len(found)}." if len(found) > MOST_MODELS else ""
    return Table("Models", rows, rest, digits=3)


def _counted(title: str, name: str, counts: Mapping[str, int]) -> Table:
    total = np.array(list(counts.values()))
    rows = [{name: key, "pairs": count, "share": _share(count, total)} for key, count in counts.items() if count]
    return Table(title, rows, digits=3)


def _share(count: Any, counts: Any) -> float:
    return float(count / max(1, counts.sum()))
