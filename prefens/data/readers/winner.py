"""Votes in a column winner or label: the arena's releases, the WSDM Cup, PPE, MT-bench, JudgeBench."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from prefens.core.types import Outcome
from prefens.data.cells import shown
from prefens.data.loaded import LoadedPairs
from prefens.data.raw.table import RawTable
from prefens.data.readers.messages import UnreadableError
from prefens.data.readers.rows import BOTH_BAD, TIE, Vote, read_rows
from prefens.data.readers.sides import Cells, models_of, others_of, read_sides, sides_of

WORDS = "the winner in one column; texts, lists of turns or conversations"
WINNERS = ("winner", "label")
LABELS = {
    **dict.fromkeys(("model_a", "a", "a>b", "response_a", "model_1", "response_1"), (Outcome.A_WINS, "")),
    **dict.fromkeys(("model_b", "b", "b>a", "response_b", "model_2", "response_2"), (Outcome.B_WINS, "")),
    **dict.fromkeys(("tie", "a=b"), (Outcome.TIE, TIE)),
    **dict.fromkeys(("both_bad", "bothbad", "both bad", "tie (bothbad)", "tie (both bad)"), (Outcome.TIE, BOTH_BAD)),
}
EXPECTED = "a prompt, two responses, and a winner: model_a, model_b, A, B, A>B, B>A, tie, both_bad or tie (bothbad)"


def columns(header: Sequence[str], labelled: bool) -> list[str]:
    """Return the columns that are read of a file with this header; none where it is in another format."""
    sides = sides_of(header)
    winner = [name for name in WINNERS if name in header][:1]
    if not sides or (labelled and not winner):
        return []
    return [*others_of(header), *sides, *winner] if labelled else [*others_of(header, ()), *sides]


def read(table: RawTable, labelled: bool, strict: bool) -> LoadedPairs:
    """Return the pairs of raw columns; parameters and errors as in `load_pairs`."""
    return read_rows(_read, table, labelled, strict, EXPECTED)


def _read(cells: Cells, labelled: bool, repaired: Counter[str]) -> list[Vote]:
    label, tie = _label(cells) if labelled else (None, "")
    return [Vote(*read_sides(cells, repaired), label, models_of(cells), tie)]


def _label(cells: Cells) -> tuple[Outcome, str]:
    """Return the outcome, and the kind of a tie."""
    name = next(name for name in WINNERS if name in cells)
    label = LABELS.get(str(cells[name]).strip().lower())
    if label is None:
        raise UnreadableError(f"{name} {shown(cells[name])}, expected one of {', '.join(LABELS)}")
    return label
