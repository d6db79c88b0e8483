"""The interface to MLflow, a mirror of the store that people look at."""

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
    """What the run of a member shows besides the runs of its folds.

    Attributes
    ----------
    metrics : mapping of str to float
        Its scores.
    note : str
        A description, Markdown.
    early_discard : str or None
        "discarded" or "kept", where early discarding has compared the member after its first fold.
    started, ended : float
        In seconds since the epoch.
    finished : bool
        Whether no fold is left to train.
    folds : Folds or None
        The rows that the scores are on.
    files : sequence of Path
        Artifacts to log.
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
        """Return the result of `action`, called with the MLflow tracker; None where it was not called or has failed."""
        ...


class NoTracker:
    """For runs without MLflow."""

    def attempt(self, action: Callable[[MlflowTracker], T]) -> T | None:
        return None
