"""Runs in MLflow, on SQLite and a folder of artifacts under the tracking root. The only file that imports mlflow."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from filelock import FileLock
from mlflow.entities import Metric, Param, RunStatus
from mlflow.tracking import MlflowClient
from mlflow.tracking._tracking_service.utils import _get_store

from prefens.files import written_aside
from prefens.records import RunKey
from prefens.tracking.oof_store import MemberSpec

logging.getLogger("mlflow").setLevel(logging.WARNING)  # it announces every table that it creates

PARENT = "mlflow.parentRunId"  # the tag that nests a child run in the UI
PARAM_LENGTH = 6000  # MLflow's limit
BATCH = 1000  # metrics a request, MLflow's limit


class MlflowTracker:
    """Tracks runs in `root`/mlflow.db and `root`/artifacts.

    The first process makes the database and the experiment, under a file lock and a temporary name: two
    that do it at once damage the file for good. A root that was moved gets its artifact paths mended.
    """

    def __init__(self, root: Path, experiment: str) -> None:
        self.root = root.resolve()
        self.root.mkdir(parents=True, exist_ok=True)
        artifacts = (self.root / "artifacts").as_uri()
        with self._lock("tracking"):
            database = self.root / "mlflow.db"
            if not database.exists():
                _create(database, experiment, artifacts)
            _relocate(database, artifacts)
            self.client = MlflowClient(tracking_uri=database_uri(database))
            found = self.client.get_experiment_by_name(experiment)
            self.experiment_id = found.experiment_id if found else self.client.create_experiment(experiment, artifacts)

    def has_fold(self, key: RunKey) -> bool:
        return bool(self._find(f"tags.`prefens.key` = '{key.digest}' and attributes.status = 'FINISHED'"))

    def has_member(self, spec: MemberSpec) -> bool:
        member = spec.key(0).member_digest
        return bool(self._find(f"tags.`prefens.member` = '{member}' and metrics.oof_log_loss > 0"))

    def start_fold(self, spec: MemberSpec, key: RunKey) -> str:
        tags = _tags("fold", spec) | {
            PARENT: self._parent(spec),
            "prefens.key": key.digest,
            "prefens.fold": str(key.fold),
        }
        run = self.client.create_run(self.experiment_id, tags=tags, run_name=f"{spec.name} fold {key.fold}")
        params = [Param("seed", str(spec.seed)), Param("fold", str(key.fold)), Param("backbone", str(spec.backbone))]
        self.client.log_batch(run.info.run_id, params=params)
        return str(run.info.run_id)

    def finish_fold(
        self, run: str, metrics: Mapping[str, float], curves: Mapping[str, Sequence[float]], files: Sequence[Path]
    ) -> None:
        self._log(run, metrics, curves, files)
        self.client.set_terminated(run)

    def fail_fold(self, run: str, error: BaseException) -> None:
        self.client.set_tag(run, "prefens.error", (str(error) or repr(error))[:PARAM_LENGTH])
        self.client.set_terminated(run, RunStatus.to_string(RunStatus.FAILED))

    def finish_member(self, spec: MemberSpec, metrics: Mapping[str, float], files: Sequence[Path]) -> None:
        parent = self._parent(spec)
        self._log(parent, metrics, {}, files)
        self.client.set_terminated(parent)

    def log_blend(
        self, name: str, metrics: Mapping[str, float], tags: Mapping[str, str], files: Sequence[Path]
    ) -> None:
        run = self.client.create_run(self.experiment_id, tags={"prefens.role": "blend", **tags}, run_name=name)
        self._log(run.info.run_id, metrics, {}, files)
        self.client.set_terminated(run.info.run_id)

    def _parent(self, spec: MemberSpec) -> str:
        """Get or create the member's run; MLflow has no such call, so a lock makes one of the two."""
        member = spec.key(0).member_digest
        with self._lock(f"member-{member[:16]}"):
            known = self._find(f"tags.`prefens.member` = '{member}' and tags.`prefens.role` = 'member'")
            if known:
                return str(known[0].info.run_id)
            run = self.client.create_run(self.experiment_id, tags=_tags("member", spec), run_name=spec.name)
            params = {"seed": spec.seed, **_flat(spec.recipe)}
            self.client.log_batch(
                run.info.run_id, params=[Param(name, str(value)[:PARAM_LENGTH]) for name, value in params.items()]
            )
            return str(run.info.run_id)

    def _find(self, condition: str) -> Sequence[Any]:
        found: Sequence[Any] = self.client.search_runs([self.experiment_id], condition, max_results=1)
        return found

    def _log(
        self, run: str, metrics: Mapping[str, float], curves: Mapping[str, Sequence[float]], files: Sequence[Path]
    ) -> None:
        now = int(time.time() * 1000)
        points = [Metric(name, float(value), now, 0) for name, value in metrics.items()]
        points += [
            Metric(name, float(value), now, step) for name, curve in curves.items() for step, value in enumerate(curve)
        ]
        for start in range(0, len(points), BATCH):
            self.client.log_batch(run, metrics=points[start : start + BATCH])
        for path in files:
            self.client.log_artifact(run, str(path))

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        folder = self.root / "locks"
        folder.mkdir(exist_ok=True)
        with FileLock(folder / f"{name}.lock"):
            yield


def database_uri(database: Path) -> str:
    """Return MLflow's address of an SQLite file."""
    return f"sqlite:///{database.resolve().as_posix()}"


def _create(database: Path, experiment: str, artifacts: str) -> None:
    with written_aside(database) as aside:
        client = MlflowClient(tracking_uri=database_uri(aside))
        client.create_experiment(experiment, artifacts)
        _get_store(database_uri(aside)).engine.dispose()  # type: ignore[no-untyped-call]


def _relocate(database: Path, artifacts: str) -> None:
    """Point experiments and runs to where the artifacts now are: MLflow stores absolute paths."""
    with sqlite3.connect(database, timeout=20) as connection:
        rows = connection.execute(
            "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE 'file:%/artifacts'"
        )
        for (old,) in rows.fetchall():
            if old != artifacts:
                connection.execute(
                    "UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?", (artifacts, old)
                )
                connection.execute(
                    "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) WHERE artifact_uri LIKE ?",
                    (artifacts, len(old) + 1, f"{old}/%"),
                )
    connection.close()


def _tags(role: str, spec: MemberSpec) -> dict[str, str]:
    return {
        "prefens.role": role,
        "prefens.member": spec.key(0).member_digest,
        "prefens.name": spec.name,
        "prefens.backbone": str(spec.backbone),
        "prefens.recipe_digest": spec.recipe_digest,
        "prefens.data_digest": spec.data_digest,
        "prefens.fold_digest": spec.fold_digest,
    }


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as dotted names."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat
