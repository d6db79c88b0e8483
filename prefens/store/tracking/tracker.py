"""What the tracking of runs must offer. Predictions live in the OOF store; a tracker only lets people look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from prefens.core.types import Folds, RunKey
from prefens.store.member_spec import MemberSpec

Rows = Sequence[Mapping[str, Any]]  # a table, row by row


class Tracker(Protocol):
    """One parent run per member, one child run per fold, one run per blend.

    Calls with the same member find the same parent run, from any process, at any time.
    """

    def has_fold(self, key: RunKey) -> bool:
        """Whether a finished run of this key is tracked."""
        ...

    def has_member(self, spec: MemberSpec) -> bool:
        """Whether the member's OOF scores are tracked."""
        ...

    def start_fold(self, spec: MemberSpec, key: RunKey) -> str:
        """Note that a fold run begins; return the id of its run."""
        ...

    def finish_fold(
        self, run: str, metrics: Mapping[str, float], curves: Mapping[str, Sequence[float]], files: Sequence[Path]
    ) -> None:
        """Note a fold run's scores, curves by step, and files."""
        ...

    def fail_fold(self, run: str, error: BaseException) -> None:
        """Note that a fold run ended with an error, or was stopped."""
        ...

    def abandon_fold(self, key: RunKey) -> None:
        """Note that runs of this key that look alive are not: their process died. The caller has the key's lease."""
        ...

    def finish_member(
        self, spec: MemberSpec, metrics: Mapping[str, float], files: Sequence[Path], folds: Folds | None = None
    ) -> None:
        """Note the OOF scores of a member whose folds are all done, and the rows that they are on."""
        ...

    def log_race(self, spec: MemberSpec, metrics: Mapping[str, float], lost: bool) -> None:
        """Note whether a member was given up after its first fold, and by which numbers."""
        ...

    def log_blend(
        self,
        name: str,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        files: Sequence[Path],
        tables: Mapping[str, Rows],
        model: Path | None = None,
        folds: Folds | None = None,
    ) -> None:
        """Note a blend of the rows of `folds`, with tables to look at; its model becomes the registered one."""
        ...

    def log_report(self, name: str, tags: Mapping[str, str], files: Sequence[Path]) -> None:
        """Keep a report's files with the latest blend that has these tags, or else in a run of their own."""
        ...

    def deliver(self) -> None:
        """Tell what could not be told yet, and warn of what remains: the last call of a command."""
        ...


class NoTracker:
    """Tracks nothing: for machines without MLflow."""

    def has_fold(self, key: RunKey) -> bool:
        return True

    def has_member(self, spec: MemberSpec) -> bool:
        return True

    def start_fold(self, spec: MemberSpec, key: RunKey) -> str:
        return ""

    def finish_fold(
        self, run: str, metrics: Mapping[str, float], curves: Mapping[str, Sequence[float]], files: Sequence[Path]
    ) -> None:
        pass

    def fail_fold(self, run: str, error: BaseException) -> None:
        pass

    def abandon_fold(self, key: RunKey) -> None:
        pass

    def finish_member(
        self, spec: MemberSpec, metrics: Mapping[str, float], files: Sequence[Path], folds: Folds | None = None
    ) -> None:
        pass

    def log_race(self, spec: MemberSpec, metrics: Mapping[str, float], lost: bool) -> None:
        pass

    def log_blend(
        self,
        name: str,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        files: Sequence[Path],
        tables: Mapping[str, Rows],
        model: Path | None = None,
        folds: Folds | None = None,
    ) -> None:
        pass

    def log_report(self, name: str, tags: Mapping[str, str], files: Sequence[Path]) -> None:
        pass

    def deliver(self) -> None:
        pass
