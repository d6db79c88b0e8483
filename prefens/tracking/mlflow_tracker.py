"""Runs in MLflow, on SQLite and a folder of artifacts under the tracking root."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from filelock import FileLock
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric, Param, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.tracking._tracking_service.utils import _get_store
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS, MLFLOW_RUN_NOTE

from prefens.errors import StoreError
from prefens.files import written_aside
from prefens.records import Folds, RunKey
from prefens.tracking.dataset import dataset_input
from prefens.tracking.member_spec import MemberSpec
from prefens.tracking.relocation import relocate
from prefens.tracking.runs_view import experiment_tags
from prefens.tracking.tracker import Rows

logging.getLogger("mlflow").setLevel(logging.WARNING)  # it announces every table that it creates

log = logging.getLogger(__name__)

PARENT = "mlflow.parentRunId"  # the tag that nests a child run in the UI
PARAM_LENGTH = 6000  # MLflow's limit
ALIAS = "best"  # of the registered model: the latest blend's
BATCH = 1000  # metrics a request, MLflow's limit


class MlflowTracker:
    """Tracks runs in `root`/mlflow.db and `root`/artifacts.

    The first process makes the database and the experiment, under a file lock and a temporary name: two
    that do it at once damage the file for good. A root that was moved gets its artifact paths mended.
    """

    def __init__(self, root: Path, experiment: str) -> None:
        self.root = root.resolve()
        self._finished: set[str] = set()  # keys of fold runs that were seen finished, which they stay
        self.registered = re.sub("[/:]", "-", experiment)  # the two that MLflow refuses in a model's name
        self.root.mkdir(parents=True, exist_ok=True)
        artifacts = (self.root / "artifacts").as_uri()
        with self._lock("tracking"):
            database = self.root / "mlflow.db"
            if not database.exists():
                _create(database, experiment, artifacts)
            relocate(database, artifacts)
            self.uri = database_uri(database)
            self.client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            found = self.client.get_experiment_by_name(experiment)
            self.experiment_id = found.experiment_id if found else self.client.create_experiment(experiment, artifacts)
            for name, value in experiment_tags().items():
                if found is None or found.tags.get(name) != value:
                    self.client.set_experiment_tag(self.experiment_id, name, value)

    def has_fold(self, key: RunKey) -> bool:
        if key.digest not in self._finished:  # one search for all folds of the member
            condition = f"tags.`prefens.member` = '{key.member_digest}' and attributes.status = 'FINISHED'"
            found = self.client.search_runs([self.experiment_id], condition)
            self._finished |= {run.data.tags.get("prefens.key", "") for run in found}
        return key.digest in self._finished

    def has_member(self, spec: MemberSpec) -> bool:
        member = spec.key(0).member_digest
        scored = "metrics.oof_log_loss > 0 and attributes.status = 'FINISHED'"
        return bool(self._find(f"tags.`prefens.member` = '{member}' and {scored}"))

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
        stopped = not isinstance(error, Exception)
        self._end(run, str(error) or repr(error), RunStatus.KILLED if stopped else RunStatus.FAILED)

    def abandon_fold(self, key: RunKey) -> None:
        condition = f"tags.`prefens.key` = '{key.digest}' and attributes.status = 'RUNNING'"
        for run in self.client.search_runs([self.experiment_id], condition):
            self._end(run.info.run_id, "its process died", RunStatus.KILLED)

    def _end(self, run: str, reason: str, status: int) -> None:
        self.client.set_tag(run, "prefens.error", reason[:PARAM_LENGTH])
        self.client.set_terminated(run, RunStatus.to_string(status))

    def finish_member(
        self, spec: MemberSpec, metrics: Mapping[str, float], files: Sequence[Path], folds: Folds | None = None
    ) -> None:
        parent = self._parent(spec)
        self._describe(parent, metrics, folds)
        self._log(parent, metrics, {}, files)
        self.client.set_terminated(parent)

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
        run = self.client.create_run(self.experiment_id, tags={"prefens.role": "blend", **tags}, run_name=name)
        self._describe(run.info.run_id, metrics, folds)
        self._log(run.info.run_id, metrics, {}, files)
        for title, rows in tables.items():
            self.client.log_table(run.info.run_id, _columns(rows), f"tables/{title}.json")
        if model is not None:
            try:
                self._register(model, run.info.run_id, tags)
            except (OSError, MlflowException) as error:
                log.warning("the model in %s is not registered: %s", model, error)
        self.client.set_terminated(run.info.run_id)

    def log_report(self, name: str, tags: Mapping[str, str], files: Sequence[Path]) -> None:
        wanted = {"prefens.role": "blend", **tags}
        known = self._find(" and ".join(f"tags.`{tag}` = '{value}'" for tag, value in wanted.items()))
        if known:
            self._log(known[0].info.run_id, {}, {}, files)
            return
        run = self.client.create_run(self.experiment_id, tags={**tags, "prefens.role": "report"}, run_name=name)
        self._log(run.info.run_id, {}, {}, files)
        self.client.set_terminated(run.info.run_id)

    def _describe(self, run: str, metrics: Mapping[str, float], folds: Folds | None) -> None:
        """Say on a run's page what its score is, and name the data that it is on as its input."""
        told = "Out-of-fold log loss **{:.4f} ± {:.4f}** nats".format(
            *(metrics.get(f"oof_{name}", float("nan")) for name in ("log_loss", "log_loss_se"))
        )
        self.client.set_tag(run, MLFLOW_RUN_NOTE, told)
        if folds is not None:
            self.client.log_inputs(run, [dataset_input(folds)])

    def _register(self, folder: Path, run: str, tags: Mapping[str, str]) -> None:
        """Log a model folder to its run, and make it the newest version of the registered model, and the best."""
        from prefens.tracking.pyfunc_model import place_model  # imports more of mlflow, which takes a second

        logged = self.client.create_logged_model(self.experiment_id, "model", run, tags=dict(tags))
        place_model(folder, _folder(logged.artifact_location), logged.model_id, run)
        self.client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        self.client.log_outputs(run, [LoggedModelOutput(logged.model_id, step=0)])
        with self._lock("registry"):
            if not self.client.search_registered_models(f"name = '{self.registered}'"):
                self.client.create_registered_model(self.registered)
            version = self.client.create_model_version(
                self.registered, logged.artifact_location, run, dict(tags), model_id=logged.model_id
            )
            self.client.set_registered_model_alias(self.registered, ALIAS, version.version)
        link = json.dumps([{"name": self.registered, "version": version.version}])
        self.client.set_logged_model_tags(logged.model_id, {MLFLOW_MODEL_VERSIONS: link})  # the UI shows it there

    def find_model(self, place: str) -> Path:
        """Return the folder of models:/NAME@ALIAS, models:/NAME/VERSION or runs:/ID/model (StoreError for none).

        MLflow's own search asks the database of its global state instead, and makes one where there is none.
        """
        try:
            return _folder(self._location(place))
        except (MlflowException, ValueError) as error:
            raise StoreError(
                f"{place}: {str(error).splitlines()[0]}",
                f"models:/NAME@ALIAS, models:/NAME/VERSION or runs:/ID/model in {self.uri}",
                "blend first, or correct it",
            ) from error

    def _location(self, place: str) -> str:
        kind, *parts = re.split(":/|[/@]", place)
        if len(parts) != 2:
            raise ValueError("neither alias nor version")
        if kind == "runs":
            outputs = self.client.get_run(parts[0]).outputs
            if outputs is None or not outputs.model_outputs:
                raise ValueError("a run without a model")
            return str(self.client.get_logged_model(outputs.model_outputs[0].model_id).artifact_location)
        name, version = parts
        if "@" in place:
            version = str(self.client.get_model_version_by_alias(name, version).version)
        return str(self.client.get_model_version_download_uri(name, version))

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
            self.client.log_artifact(run, str(path), "figures" if path.suffix == ".png" else None)

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


def _folder(location: str) -> Path:
    return Path(local_file_uri_to_path(location))  # type: ignore[no-untyped-call]


def _columns(rows: Rows) -> dict[str, list[Any]]:
    """Return a table's columns; cells with several values become text."""
    names = dict.fromkeys(name for row in rows for name in row)
    plain = [
        {
            name: value if isinstance(value, str | float | int | None) else json.dumps(value)
            for name, value in row.items()
        }
        for row in rows
    ]
    return {name: [row.get(name) for row in plain] for name in names}


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
