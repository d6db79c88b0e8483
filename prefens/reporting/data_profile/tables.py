"""The tables of the data profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.metrics import outcome_counts
from prefens.core.types import Ints, Pairs, outcomes
from prefens.data.text.style_counts import SCRIPTS
from prefens.reporting.data_profile.model_record import ModelRecord
from prefens.reporting.language_id import LANGUAGES, NO_LETTERS, UNCLEAR
from prefens.reporting.plots import OUTCOME_TITLES
from prefens.reporting.section import ReportTable
from prefens.reporting.text_stats import TextStats

MAX_MODELS = 20
MAX_TURNS = 6  # longer chats are counted together
QUANTILES = {"5 %": 0.05, "median": 0.5, "95 %": 0.95, "99 %": 0.99}
WORDS_NOTE = "Words are what stands between spaces; in scripts without spaces every character is one."
TOKENS_NOTE = " Tokens: of an evenly spaced sample of {:,} texts."
NO_TOKENS_NOTE = " Tokens were not counted: no tokenizer was at hand."
LANGUAGES_NOTE = (
    "Guessed from the script and, where it is Latin, from the function words of eight languages; texts without any of "
    "them are unclear, and other Latin languages go to the closest."
)
REPEATS_NOTE = "Prompts are the same if they are up to case, spaces and punctuation; pairs, if their texts are."


def overview_table(counts: Mapping[str, int], repaired: Mapping[str, int]) -> ReportTable:
    """Return a table of what the data has, and of what was repaired when it was read."""
    rows: list[dict[str, Any]] = [{"what": name, "number": number} for name, number in counts.items()]
    rows += [{"what": f"repaired: {kind}", "number": number} for kind, number in repaired.items()]
    return ReportTable("The data", rows, "" if repaired else "No text had to be repaired.")


def outcome_table(pairs: Pairs) -> ReportTable:
    """Return a table of how often each outcome was chosen; without rows where labels are not known."""
    if pairs.label is None:
        return ReportTable("Outcomes", [])
    counts = outcome_counts(pairs.label, pairs.n_outcomes)
    rows = [
        {"outcome": OUTCOME_TITLES[outcome], "pairs": int(counts[outcome]), "share": _share(counts[outcome], counts)}
        for outcome in outcomes(pairs.n_outcomes)
    ]
    return ReportTable("Outcomes", rows, digits=3)


def problem_table(
    problems: Mapping[str, NDArray[np.bool_]], shared: int, expected_leak: float, leaked: int | None
) -> ReportTable:
    """Return a table of how many rows are empty, repeated, contradictory, or share their prompt.

    Parameters
    ----------
    problems : mapping from str to ndarray of bool, shape (n,)
        The rows that have each problem.
    shared : int
        Rows that share their prompt with another row.
    expected_leak : float
        Rows that plain stratified folds would leak on average.
    leaked : int or None
        Rows that the folds leak; None without folds.
    """
    total = max(1, len(next(iter(problems.values()))))
    counts: dict[str, float] = {"a prompt that another row has too": shared}
    counts["a prompt that plain stratified folds would leak (expected)"] = round(expected_leak)
    if leaked is not None:
        counts["a prompt that the folds used here leak"] = leaked
    counts |= {name: int(mask.sum()) for name, mask in problems.items()}
    rows = [{"rows with": name, "rows": int(count), "share": count / total} for name, count in counts.items()]
    return ReportTable("Shared, repeated and empty", rows, REPEATS_NOTE, digits=4)


def length_table(stats: TextStats, tokens: Mapping[str, Ints]) -> ReportTable:
    """Return a table of the lengths of prompts and responses; `tokens` are counts of a sample, by part."""
    lengths = {
        f"{part}, {label}": values
        for unit, label in (("chars", "characters"), ("words", "words"))
        for part, values in (("prompt", stats.prompt(unit)), ("response", np.concatenate(stats.responses(unit))))
    }
    lengths |= {f"{part}, tokens": values for part, values in tokens.items()}
    rows: list[dict[str, Any]] = [
        {"text, unit": name, "mean": float(values.mean())}
        | {label: float(np.quantile(values, level)) for label, level in QUANTILES.items()}
        | {"longest": int(values.max())}
        for name, values in lengths.items()
        if len(values)
    ]
    note = TOKENS_NOTE.format(sum(map(len, tokens.values()))) if tokens else NO_TOKENS_NOTE
    return ReportTable("Lengths, all turns together", rows, WORDS_NOTE + note, digits=0)


def turn_table(stats: TextStats) -> ReportTable:
    """Return a table of how many turns the chats have."""
    counts = np.bincount(np.minimum(stats.prompt("turns"), MAX_TURNS), minlength=MAX_TURNS + 1)
    names = [*map(str, range(MAX_TURNS)), f"{MAX_TURNS} or more"]
    rows = [
        {"turns": name, "pairs": int(count), "share": _share(count, counts)}
        for name, count in zip(names, counts, strict=True)
        if count
    ]
    return ReportTable("Turns", rows, digits=3)


def language_table(stats: TextStats) -> ReportTable:
    """Return a table of the prompts' languages, and of how often a response is in the same one."""
    prompt = stats.prompt("language")
    same = np.mean([response == prompt for response in stats.responses("language")], axis=0)
    counts = np.bincount(prompt, minlength=len(LANGUAGES))
    rows: list[dict[str, Any]] = []
    for index in np.argsort(-counts, kind="stable"):
        name, count = LANGUAGES[index], counts[index]
        answered = None if name in (UNCLEAR, NO_LETTERS) else same[prompt == index]
        if count:
            rows.append(
                {
                    "language": name,
                    "prompts": int(count),
                    "share": _share(count, counts),
                    "answered in it": None if answered is None else float(answered.mean()),
                }
            )
    return ReportTable("Languages", rows, LANGUAGES_NOTE, digits=3)


def script_table(stats: TextStats) -> ReportTable:
    """Return a table of the scripts that most letters of prompts and responses are in."""
    prompts, responses = stats.prompt("script"), np.concatenate(stats.responses("script"))
    rows: list[dict[str, Any]] = [
        {
            "script": name.replace("_", " "),
            "prompts": int((prompts == index).sum()),
            "responses": int((responses == index).sum()),
        }
        for index, name in [*enumerate(SCRIPTS), (-1, "no letters")]
        if (prompts == index).any() or (responses == index).any()
    ]
    rows.sort(key=lambda row: -row["responses"])
    return ReportTable("Scripts", rows, "The script with the most letters.")


def model_table(records: Sequence[ModelRecord]) -> ReportTable:
    """Return a table of how often the most frequent models win, tie and lose."""
    note = f"The {MAX_MODELS} most frequent of {len(records)}." if len(records) > MAX_MODELS else ""
    return ReportTable("Models", [record.as_dict() for record in records[:MAX_MODELS]], note, digits=3)


def _share(count: Any, counts: Ints) -> float:
    return float(count / max(1, counts.sum()))
