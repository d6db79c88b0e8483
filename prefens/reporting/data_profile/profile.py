"""The data study: what the pairs are, before anything is trained on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import DataError
from prefens.core.metrics import outcome_shares
from prefens.core.types import Folds, Ints, Outcome, Pairs, Strings
from prefens.reporting.data_profile.duplicates import find_repeats, group_sizes, leaked_by, leaked_rows
from prefens.reporting.data_profile.plots import label_plot, language_plot, length_plot, model_plot
from prefens.reporting.data_profile.tables import (
    Standing,
    hygiene_table,
    label_table,
    language_table,
    length_table,
    model_table,
    overview_table,
    script_table,
    standings,
    turn_table,
)
from prefens.reporting.section import Plot, Section
from prefens.reporting.text_stats import Reading, read_pairs

K = 5  # folds, where none are given
SAMPLE = 2000  # pairs whose tokens are counted
Counter = Callable[[Sequence[str]], Sequence[int]]  # texts -> tokens of each


@dataclass(frozen=True, eq=False)
class Study:
    """What was found of n pairs.

    Attributes
    ----------
    reading : the counts of all texts; group : (n,) prompt groups; folds : or None.
    repaired : kind of repair -> rows, as loading tells it.
    problems : name -> (n,) True for the rows concerned.
    leaked : rows that plain stratified folds would leak, expected; leaking : those that the given folds do leak.
    tokens : "prompt" and "response" -> counts of a sample; empty where no tokenizer was at hand.
    """

    pairs: Pairs
    reading: Reading
    group: Strings
    folds: Folds | None
    repaired: Mapping[str, int]
    problems: Mapping[str, NDArray[np.bool_]]
    leaked: float
    leaking: int | None
    tokens: Mapping[str, Ints]
    standings: Sequence[Standing]

    @property
    def shared(self) -> int:
        """How many rows share their prompt with another row."""
        return int((group_sizes(self.group) > 1).sum())


def data_section(
    pairs: Pairs,
    group: Strings,
    folds: Folds | None = None,
    repaired: Mapping[str, int] | None = None,
    count_tokens: Counter | None = None,
) -> Section:
    """Return the data study of pairs, with or without labels.

    Parameters
    ----------
    group : (n,) the prompt group of each pair; folds : of the same pairs in the same order, if they were split.
    repaired : kind of repair -> rows, from loading.
    count_tokens : texts -> number of tokens of each, for a sample of SAMPLE pairs; None leaves tokens out.

    Raises DataError where `folds` are of other rows.
    """
    if folds is not None and folds.ids.tolist() != pairs.ids.tolist():
        raise DataError(
            f"{len(pairs)} pairs and folds of {len(folds.ids)} rows, with other ids or in another order",
            "the folds of these pairs",
            "give the pairs in the order of the folds",
        )
    return present(study(pairs, group, folds, repaired or {}, count_tokens))


def study(
    pairs: Pairs, group: Strings, folds: Folds | None, repaired: Mapping[str, int], count_tokens: Counter | None
) -> Study:
    """Look at everything once; parameters as in `data_section`."""
    reading = read_pairs(pairs)
    return Study(
        pairs,
        reading,
        group,
        folds,
        repaired,
        _problems(pairs, reading),
        leaked_rows(group, K if folds is None else folds.k),
        None if folds is None else int(leaked_by(group, folds.fold).sum()),
        {} if count_tokens is None else _tokens(pairs, count_tokens),
        standings(pairs),
    )


def _problems(pairs: Pairs, reading: Reading) -> dict[str, NDArray[np.bool_]]:
    turns, (a, b) = reading.of(0, "turns"), reading.responses("blank_turns")
    same = np.array([x == y for x, y in zip(pairs.response_a, pairs.response_b, strict=True)], dtype=bool)
    return {
        "an empty prompt": reading.of(0, "blank_turns") == turns,
        "an empty response": (a == turns) | (b == turns),
        "both responses empty": (a == turns) & (b == turns),
        "an empty turn in a response": (a > 0) | (b > 0),
        "identical responses": same,
        **find_repeats(pairs),
    }


def _tokens(pairs: Pairs, count_tokens: Counter) -> dict[str, Ints]:
    rows = np.unique(np.linspace(0, len(pairs) - 1, min(SAMPLE, len(pairs))).astype(np.int64))

    def counted(*columns: Strings) -> Ints:
        return np.array(count_tokens(["\n\n".join(column[row]) for column in columns for row in rows]), dtype=np.int64)

    return {"prompt": counted(pairs.prompt), "response": counted(pairs.response_a, pairs.response_b)}


def present(found: Study) -> Section:
    """Return a study as a section of the report."""
    pairs, reading = found.pairs, found.reading
    facts = {"pairs": len(pairs), "different prompts": len(set(found.group)), "models": len(found.standings)}
    tables = [
        overview_table(facts, found.repaired),
        label_table(pairs),
        hygiene_table(found.problems, found.shared, found.leaked, found.leaking),
        length_table(reading, found.tokens),
        turn_table(reading),
        language_table(reading),
        script_table(reading),
        model_table(found.standings),
    ]
    plots: list[Plot | None] = [label_plot(pairs), length_plot(reading), language_plot(reading)]
    plots.append(model_plot(found.standings))
    return Section(
        "data",
        "Data study",
        summary(found),
        [t for t in tables if t.rows],
        [plot for plot in plots if plot is not None],
    )


def summary(found: Study) -> list[str]:
    """Say what a reader must know of the data, the most important first."""
    n = len(found.pairs)
    if not n:
        return ["There are no pairs."]
    k = K if found.folds is None else found.folds.k
    said = [f"{n:,} pairs of {len(set(found.group)):,} different prompts{_models(found)}."]
    if found.pairs.label is not None:
        shares = outcome_shares(found.pairs.label, found.pairs.n_outcomes)
        a, b, tie = (f"{shares[outcome]:.1%}" for outcome in Outcome)
        said.append(f"A wins {a}, B wins {b}, and {tie} are ties.")
    said.append(
        f"{found.shared:,} rows ({found.shared / n:.1%}) share their prompt with another row; plain stratified folds "
        f"(k={k}) would leak about {found.leaked:,.0f} of them{_own_folds(found)}."
    )
    contradictory = int(found.problems["contradictory votes on the same pair"].sum())
    if contradictory:
        said.append(f"{contradictory:,} rows are of pairs whose votes contradict each other.")
    if not found.tokens:
        said.append("Tokens were not counted: no tokenizer was at hand.")
    return said


def _models(found: Study) -> str:
    return f" and {len(found.standings):,} models" if found.standings else ""


def _own_folds(found: Study) -> str:
    if found.folds is None or found.leaking is None:
        return ""
    name = str(found.folds.settings.get("scheme", "given")).replace("_", " ")
    return f", the {name} folds used here leak {found.leaking:,}"
