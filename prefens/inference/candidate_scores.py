"""Scores of all rows of a file of candidates; what a stopped run has predicted is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from prefens.core.files import write_text
from prefens.core.progress import progress
from prefens.data.candidates import Candidates
from prefens.inference.predictor import Predictor
from prefens.inference.reward_ensemble import Ensemble
from prefens.inference.rewards import block_rewards
from prefens.inference.scorer import MAX_PAIRS, Field, Scores
from prefens.inference.unfinished import Unfinished
from prefens.store.parquet import write_table

BLOCK_ANSWERS = 256  # that a model is asked about at once
UNFINISHED = "scores.unfinished"  # the folder below out=DIR of what models had predicted when they were stopped


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


def score_file(
    predictor: Predictor,
    rows: Sequence[Candidates],
    out: Path,
    max_pairs: int = MAX_PAIRS,
    ensemble: Ensemble | None = None,
) -> list[ScoredRow]:
    """Score all rows, and write scores.jsonl and scores.parquet into a folder.

    Each model is loaded once, and asked about all rows.

    Parameters
    ----------
    predictor, max_pairs, ensemble
        As in `Scorer`.
    rows : sequence of Candidates
        What is scored; rows with a problem are listed with it.
    out : Path
        The folder. What models have predicted is in it where the process is stopped, and is taken over by the next one.

    Raises
    ------
    ConfigError
        As in `block_rewards`.
    Stopped
        Where the process was asked to stop, or its time budget is spent.
    """
    unfinished = Unfinished(out / UNFINISHED)
    fields = [Field.of(block) for block in _blocks([row for row in rows if not row.problem])]
    try:
        scores = iter(_score(predictor, fields, max_pairs, ensemble, unfinished) if fields else [])
        done = [ScoredRow(row.id, problem=row.problem) if row.problem else _scored(row, next(scores)) for row in rows]
        text = "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in done)
        write_text(out / "scores.jsonl", text)
        write_table(out / "scores.parquet", _table(done), {})
    except BaseException:
        unfinished.save()
        raise
    unfinished.remove()
    return done


def _score(
    predictor: Predictor, fields: Sequence[Field], max_pairs: int, ensemble: Ensemble | None, unfinished: Unfinished
) -> list[Scores]:
    rewards = block_rewards(predictor, [field.answers for field in fields], ensemble, unfinished)
    if rewards is not None:
        return [each for field, own in zip(fields, rewards, strict=True) for each in field.rewarded(own)]
    pairs = [field.pairs(max_pairs) for field in fields]
    scores: list[Scores] = []
    stacked = predictor.member_probabilities(pairs, unfinished)
    for field, block, own in progress(list(zip(fields, pairs, stacked, strict=True)), "fitting strengths"):
        scores += field.compared(predictor.blend(own, block) if len(block) else own[0], max_pairs)
    return scores


def _scored(row: Candidates, scores: Scores) -> ScoredRow:
    chosen = None if row.n_chosen is None else scores.best < row.n_chosen
    return ScoredRow(
        row.id, scores.rewards.tolist(), scores.best, scores.pairs, scores.ties, scores.cycles, chosen, row.problem
    )


def _blocks(rows: Sequence[Candidates]) -> Iterator[Sequence[Candidates]]:
    """Yield rows that are scored together: the same ones in every run, so that a resumed one gives the same bits."""
    start, answers = 0, 0
    for place, row in enumerate(rows):
        answers += 0 if row.answers is None else len(row.answers)
        if answers >= BLOCK_ANSWERS or place == len(rows) - 1:
            yield rows[start : place + 1]
            start, answers = place + 1, 0


def _table(rows: Sequence[ScoredRow]) -> pa.Table:
    flat = [
        (row.id, place, reward, place == row.best) for row in rows for place, reward in enumerate(row.rewards or [])
    ]
    types = {"id": pa.string(), "answer": pa.int32(), "reward": pa.float64(), "best": pa.bool_()}
    columns = list(zip(*flat, strict=True)) or [()] * len(types)
    return pa.table({name: pa.array(values, kind) for (name, kind), values in zip(types.items(), columns, strict=True)})
