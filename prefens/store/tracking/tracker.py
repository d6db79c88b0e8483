"""What a command may ask of MLflow. Results live in the store; MLflow lets people look at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from prefens.core.types import Folds

if TYPE_CHECKING:
    from prefens.store.tracking.mlflow_tracker import MlflowTracker

T = TypeVar("T")
Rows = Sequence[Mapping[str, Any]]  # a table, row by row


@dataclass(frozen=True)
class MemberSummary:
    """What the run of a member shows besides its folds' runs.

    Attributes
    ----------
    metrics : dict of str to float; note : str, Markdown.
    early_discard : str or None, "discarded" or "kept" where the member was compared after its first fold.
    started, ended : float, seconds since the epoch; finished : bool, whether no fold is left to train.
    folds : Folds or None, the rows that the scores are on; files : sequence of Path.
    """

    metrics: Mapping[str, float]
    note: str
    early_discard: str | None
    started: float
    ended: float
    finished: bool
    folds: Folds | None = None
    files: Sequence[Path] = ()


class Tracker(Protocol):
    """MLflow, which may be down: a command never waits or fails because of it."""

    def attempt(self, action: Callable[[MlflowTracker], T]) -> T | None:
        """Return what `action` returns, or None where it was not done, or not wholly."""
        ...


class NoTracker:
    """For runs without MLflow."""

    def attempt(self, action: Callable[[MlflowTracker], T]) -> T | None:
        return None
