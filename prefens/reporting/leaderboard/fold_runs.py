"""The fold runs of a blend's members, as the leaderboard shows them: what training cost, and how the loss fell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prefens.ensemble.blend import Blend
from prefens.store.member_spec import MemberSpec
from prefens.store.run_record import RunResult
from prefens.store.split_store import SplitStore


@dataclass(frozen=True)
class FoldRun:
    """What one fold run cost.

    Attributes
    ----------
    seconds : float
        Wall-clock time, prediction included.
    train_rows : int
        The pairs that it was trained on; 0 where that is not stored.
    parameters : int or None
        Those of its model, where they are counted.
    train_loss : sequence of float
        The training loss of each step, in nats; empty for members without steps.
    """

    seconds: float
    train_rows: int = 0
    parameters: int | None = None
    train_loss: Sequence[float] = ()

    @staticmethod
    def from_result(result: RunResult) -> FoldRun:
        """Return what a stored fold run cost."""
        parameters = result.metadata.get("parameters")
        return FoldRun(
            result.seconds,
            result.train_rows,
            None if parameters is None else int(parameters),
            result.curves.get("train_loss", ()),
        )


FoldRuns = Mapping[str, Sequence[FoldRun]]  # from a member to its fold runs


@dataclass(frozen=True)
class Cost:
    """What the fold runs of a member cost together.

    Attributes
    ----------
    seconds : float or None
        Their sum; None for external members.
    parameters : int or None
        Those of one model, where they are counted.
    pairs_per_second : float or None
        Training pairs, where they are counted.
    """

    seconds: float | None = None
    parameters: int | None = None
    pairs_per_second: float | None = None


def total_cost(runs: Sequence[FoldRun]) -> Cost:
    """Return what the fold runs of a member cost together."""
    if not runs:
        return Cost()
    seconds = sum(run.seconds for run in runs)
    pairs = sum(run.train_rows for run in runs)
    return Cost(seconds, runs[0].parameters, pairs / seconds if pairs and seconds else None)


def load_fold_runs(blend: Blend, split: SplitStore | None) -> tuple[list[MemberSpec], FoldRuns]:
    """Return the members of a blend that a store has models of, and their fold runs.

    Parameters
    ----------
    blend : Blend
        The blend.
    split : SplitStore or None
        The store of its data and folds, if there is one.

    Raises
    ------
    StoreError
        The record of a fold run can't be read.
    """
    if split is None:
        return [], {}
    stored = [split.member(name) for name in split.member_names() if name in blend.names]
    named = [spec for spec in stored if spec.kind is not None]
    records = {spec.name: split.records(spec) for spec in named}
    specs = [spec for spec in named if len(records[spec.name]) == split.folds.k]
    return specs, {spec.name: [*map(FoldRun.from_result, records[spec.name].values())] for spec in specs}
