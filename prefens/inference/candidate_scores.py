"""Scores of all rows of a file of candidates: block by block, so that a stopped run goes on where it was."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from prefens.core import shutdown
from prefens.core.files import write_text
from prefens.core.hashing import digest
from prefens.core.progress import progress
from prefens.data.candidates import Candidates
from prefens.inference.scorer import Scorer, Scores
from prefens.store.parquet import write_table

log = logging.getLogger(__name__)

BLOCK_ANSWERS = 256  # that are scored together, and lost where the process is killed
UNFINISHED = "scores.unfinished.jsonl"


@dataclass(frozen=True)
class ScoredRow:
    """The scores of one row of a file; a line of scores.jsonl.

    Attributes
    ----------
    id : str
        The id of the row.
    rewards : list of float, or None
        The reward of each answer, as in `Scores`; None where the row was refused.
    best : int or None
        The place of the best answer, from 0.
    pairs, ties, cycles : int
        As in `Scores`.
    chosen : bool or None
        Whether the best answer is a chosen one, where the row says which those are.
    problem : str
        Why the row was refused; "" where it was not.
    """

    id: str
    rewards: list[float] | None = None
    best: int | None = None
    pairs: int = 0
    ties: int = 0
    cycles: int = 0
    chosen: bool | None = None
    problem: str = ""


def score_file(scorer: Scorer, rows: Sequence[Candidates], out: Path, key: Any) -> list[ScoredRow]:
    """Score all rows, and write scores.jsonl and scores.parquet into a folder.

    Parameters
    ----------
    scorer : Scorer
        What scores.
    rows : sequence of Candidates
        What is scored; rows with a problem are listed with it.
    out : Path
        The folder. What a stopped run has scored is in it, and is taken over if its key is the same.
    key : JSON value
        What the scores depend on beside the rows.

    Raises
    ------
    Stopped
        Where the process was asked to stop, or its time budget is spent.
    """
    ensemble = None if scorer.ensemble is None else scorer.ensemble.name
    path, identity = out / UNFINISHED, digest([key, scorer.max_pairs, ensemble, [_content(row) for row in rows]])
    done = _resume(path, identity)
    if done:
        log.info("%d of %d rows were scored before", len(done), len(rows))
    with path.open("a", encoding="utf-8") as stream:
        for start, stop in progress(list(_blocks(rows)), "scoring"):
            if stop <= len(done):
                continue
            shutdown.check()
            block = _score(scorer, rows[start:stop])
            stream.writelines(json.dumps(asdict(row)) + "\n" for row in block)
            stream.flush()
            shutdown.note_kept()
            done[start:] = block
    write_text(out / "scores.jsonl", "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in done))
    write_table(out / "scores.parquet", _table(done), {"key": identity})
    path.unlink()
    return done


def _score(scorer: Scorer, rows: Sequence[Candidates]) -> list[ScoredRow]:
    readable = [row for row in rows if not row.problem]
    scores = iter(scorer.score_all(readable) if readable else [])
    return [ScoredRow(row.id, problem=row.problem) if row.problem else _scored(row, next(scores)) for row in rows]


def _scored(row: Candidates, scores: Scores) -> ScoredRow:
    chosen = None if row.n_chosen is None else scores.best < row.n_chosen
    return ScoredRow(
        row.id, scores.rewards.tolist(), scores.best, scores.pairs, scores.ties, scores.cycles, chosen, row.problem
    )


def _blocks(rows: Sequence[Candidates]) -> Iterator[tuple[int, int]]:
    """Yield where blocks begin and end: the same ones in every run, so that a resumed one gives the same bits."""
    start, answers = 0, 0
    for place, row in enumerate(rows):
        answers += 0 if row.answers is None else len(row.answers)
        if answers >= BLOCK_ANSWERS or place == len(rows) - 1:
            yield start, place + 1
            start, answers = place + 1, 0


def _resume(path: Path, identity: str) -> list[ScoredRow]:
    """Return the rows that a stopped run has scored, and leave a file that holds them alone."""
    rows: list[ScoredRow] = []
    try:
        header, *lines = path.read_text("utf-8").splitlines()
        if json.loads(header) == identity:
            rows = [ScoredRow(**json.loads(line)) for line in lines[: _whole(lines)]]
    except (OSError, ValueError, TypeError):
        rows = []
    write_text(path, "".join(json.dumps(value) + "\n" for value in [identity, *map(asdict, rows)]))
    return rows


def _whole(lines: Sequence[str]) -> int:
    """Return how many lines are whole: the last one may be cut."""
    try:
        json.loads(lines[-1] if lines else "null")
    except ValueError:
        return len(lines) - 1
    return len(lines)


def _content(row: Candidates) -> Any:
    answers = row.answers
    texts = [] if answers is None else [answers.prompt[0], *answers.response_a]
    return [row.id, row.problem, row.n_chosen, [list(turns) for turns in texts]]


def _table(rows: Sequence[ScoredRow]) -> pa.Table:
    flat = [
        (row.id, place, reward, place == row.best) for row in rows for place, reward in enumerate(row.rewards or [])
    ]
    types = {"id": pa.string(), "answer": pa.int32(), "reward": pa.float64(), "best": pa.bool_()}
    columns = list(zip(*flat, strict=True)) or [()] * len(types)
    return pa.table({name: pa.array(values, kind) for (name, kind), values in zip(types.items(), columns, strict=True)})
