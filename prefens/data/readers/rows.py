"""What the readers of votes share: one row of a file becomes one vote or several, each a pair with an id."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from prefens.core.errors import counted
from prefens.core.hashing import digest
from prefens.core.types import SWAP, Pairs, Strings
from prefens.data.cells import as_column, read_identifiers, read_ids, refusal
from prefens.data.garbage import no_garbage_collection
from prefens.data.loaded import MODEL, TEXT, LoadedPairs
from prefens.data.raw.table import RawTable
from prefens.data.readers.json_cells import unpack
from prefens.data.readers.messages import Turns, UnreadableError
from prefens.data.readers.sides import IDS, LANGUAGE, PROMPT_IDS, Cells

log = logging.getLogger(__name__)

TIE, BOTH_BAD = "tie", "both bad"  # kinds of ties
ID_DIGITS = 16  # of ids that are made of the content


@dataclass(slots=True)
class Vote:
    """A pair as a reader finds it.

    Attributes
    ----------
    prompt, response_a, response_b : tuple of str
        The turns.
    label : int or None
        In the order of `Outcome`; None where labels are not read.
    models : tuple of two str
        Who wrote the responses; "" where that is not known.
    tie : str
        The kind of a tie; "" for none.
    drawn : bool
        Whether A is the better response, or the first of equals, so that the sides are to be drawn.
    suffix : str
        What its id ends in, where a row holds several.
    """

    prompt: Turns
    response_a: Turns
    response_b: Turns
    label: int | None
    models: tuple[str, str] = ("", "")
    tie: str = ""
    drawn: bool = False
    suffix: str = ""


ReadVotes = Callable[[Cells, bool, Counter[str]], list[Vote]]  # from a row's cells, whether labelled, counts of repairs


@no_garbage_collection()
def read_rows(read: ReadVotes, table: RawTable, labelled: bool, strict: bool, expected: str) -> LoadedPairs:
    """Return the pairs of a table: one reader's `read` for each row, then ids and sides.

    Raises
    ------
    DataError
        For malformed rows where `strict`; up to ten are named.
    """
    problems, repaired = dict(table.broken), Counter(table.repaired)
    row_ids = _read_ids(table, problems)
    columns = unpack({name: list(table.pop(name)) for name in [*table.columns]}, repaired)
    ids: list[str] = []
    seen: dict[str, int] = {}
    readable: list[tuple[int, Vote, str, str]] = []  # position, vote, language, source
    unreadable: dict[int, str] = {}
    for row in range(table.rows):
        votes: list[tuple[str, Vote]] = []
        if row not in problems:
            cells = {name: values[row] for name, values in columns.items()}
            try:
                votes = _with_ids(read(cells, labelled, repaired), row_ids[row], seen, row, table)
            except UnreadableError as error:
                problems[row] = str(error)
        if row in problems:
            unreadable[len(ids)] = problems[row]
            ids.append(row_ids[row])
        source = table.sources[row] if table.sources else ""
        for id_, vote in votes:
            readable.append((len(ids), _draw_sides(vote, id_), str(cells.get(LANGUAGE) or ""), source))
            ids.append(id_)
    if problems and (strict or not readable):
        raise refusal(table, row_ids, problems, "pairs", expected)
    for kind, texts in repaired.items():
        log.info("%s: %s repaired: %s", table.name, counted(texts, "text"), kind)
    return _loaded(readable, as_column(ids), unreadable, dict(repaired))


def _loaded(
    readable: Sequence[tuple[int, Vote, str, str]], ids: Strings, problems: dict[int, str], repaired: dict[str, int]
) -> LoadedPairs:
    positions = np.array([position for position, *_ in readable], dtype=np.int64)
    votes = [vote for _, vote, *_ in readable]
    texts = {name: as_column([getattr(vote, name) for vote in votes]) for name in TEXT}
    columns: dict[str, Any] = {"ids": ids[positions], **texts}
    metadata = {
        LANGUAGE: as_column([each[2] for each in readable]),
        "source": as_column([each[3] for each in readable]),
    }
    metadata = {name: values for name, values in metadata.items() if any(values)}
    if votes[0].label is not None:
        columns["label"] = np.array([vote.label for vote in votes], dtype=np.int8)
        if any(any(vote.models) for vote in votes):
            columns |= {name: as_column([vote.models[side] for vote in votes]) for side, name in enumerate(MODEL)}
        metadata["tie"] = as_column([vote.tie for vote in votes])
    return LoadedPairs(Pairs(**columns), ids, positions, problems, repaired, metadata)


def _read_ids(table: RawTable, problems: dict[int, str]) -> Strings:
    """Return the ids of the rows, (n,), "" where a row has none of its own."""
    name = next((name for name in (*IDS, *PROMPT_IDS) if name in table.columns), None)
    if name is None:
        return as_column([""] * table.rows)
    if name in IDS:
        table.columns["id"] = table.columns.pop(name)
        return read_ids(table, problems)
    ids = read_identifiers(table, name, {}, "an id")
    counts = Counter(ids.tolist())
    return as_column([id_ if counts[id_] == 1 else "" for id_ in ids])


def _with_ids(
    votes: Sequence[Vote], id_: str, seen: dict[str, int], row: int, table: RawTable
) -> list[tuple[str, Vote]]:
    """Return the votes of a row with their ids: that of the row, or one made of the content, numbered where equal."""
    pairs: list[tuple[str, Vote]] = []
    for vote in votes:
        name = id_ + vote.suffix if id_ else _content_id(vote, seen)
        if name in seen:
            raise UnreadableError(f"id: {name} already in {table.place(seen[name])}, expected a unique id")
        seen[name] = row
        pairs.append((name, vote))
    return pairs


def _content_id(vote: Vote, seen: Mapping[str, int]) -> str:
    content = [vote.prompt, vote.response_a, vote.response_b, vote.label, vote.models, vote.tie]
    base = digest(content)[:ID_DIGITS]
    return next(name for number in count(1) if (name := f"{base}-{number}" if number > 1 else base) not in seen)


def _draw_sides(vote: Vote, id_: str) -> Vote:
    """Return the vote with its sides exchanged where they are to be drawn and a hash of the id says so."""
    if not vote.drawn or hashlib.sha256(f"side:{id_}".encode()).digest()[0] % 2 == 0:
        return vote
    label = None if vote.label is None else int(SWAP[vote.label])
    return Vote(vote.prompt, vote.response_b, vote.response_a, label, vote.models[::-1], vote.tie)
