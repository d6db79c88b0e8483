"""Runs in MLflow: a parent run per member, child runs for its folds, a run per blend."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from prefens.core.types import Folds, RunKey
from prefens.store.member_spec import MemberSpec
from prefens.store.tracking import model_registry
from prefens.store.tracking.dataset import dataset_input
from prefens.store.tracking.mlflow_backend import find_home
from prefens.store.tracking.tracker import Rows

log = logging.getLogger(__name__)

PARENT = "mlflow.parentRunId"  # the tag that nests a child run in the UI
PARAM_LENGTH = 6000  # MLflow's limit
BATCH = 1000  # metrics a request, and runs a search: MLflow's limit


class MlflowTracker:
    """Tracks runs in `root`/mlflow.db and `root`/artifacts, or on the server at `uri`.

    Every call may be made again after it was cut off: with the same `attempt` (any text that no other run has) and
    the same times (milliseconds since 1970) it changes nothing that is there. Rows may be given as what `dataset`
    tells of them. A server that does not answer is an MlflowException or an OSError after 10 seconds at most.
    """

    def __init__(self, root: Path, experiment: str, uri: str | None = None) -> None:
        self.root = root.resolve()
        self._finished: set[str] = set()  # keys of fold runs that were seen finished, which they stay
        self.registered = re.sub("[/:]", "-", experiment)  # the two that MLflow refuses in a model's name
        self.home = find_home(self.root, experiment, uri)
        self.uri, self.client, self.experiment_id = self.home.uri, self.home.client, self.home.experiment_id

    def has_fold(self, key: RunKey) -> bool:
        if key.digest not in self._finished:  # one search for all folds of the member
            condition = f"tags.`prefens.member` = '{key.member_digest}' and attributes.status = 'FINISHED'"
            self._finished |= {run.data.tags.get("prefens.key", "") for run in self.home.find(condition, BATCH)}
        return key.digest in self._finished

    def has_member(self, spec: MemberSpec) -> bool:
        scored = "metrics.oof_log_loss > 0 and attributes.status = 'FINISHED'"
        return bool(self.home.find(f"{_of_member(spec)} and {scored}"))

    def start_fold(self, spec: MemberSpec, key: RunKey, attempt: str | None = None, started: int | None = None) -> str:
        tags = _tags("fold", spec) | {
            PARENT: self._parent(spec),
            "prefens.key": key.digest,
            "prefens.fold": str(key.fold),
        }
        run = self._run(f"{spec.name} fold {key.fold}", tags, attempt, started)
        params = [Param("seed", str(spec.seed)), Param("fold", str(key.fold)), Param("backbone", str(spec.backbone))]
        self.client.log_batch(run, params=params)
        return run

    def finish_fold(
        self,
        run: str,
        metrics: Mapping[str, float],
        curves: Mapping[str, Sequence[float]],
        files: Sequence[Path],
        ended: int | None = None,
    ) -> None:
        self._log(run, metrics, curves, files, ended)
        self.client.set_terminated(run, end_time=ended)

    def fail_fold(self, run: str, error: BaseException, ended: int | None = None) -> None:
        stopped = not isinstance(error, Exception)
        self._end(run, str(error) or repr(error), RunStatus.KILLED if stopped else RunStatus.FAILED, ended)

    def abandon_fold(self, key: RunKey, before: int | None = None) -> None:
        """See `Tracker`; with `before`, runs that began then or later are not meant."""
        condition = f"tags.`prefens.key` = '{key.digest}' and attributes.status = 'RUNNING'"
        if before is not None:
            condition += f" and attributes.start_time < {before}"
        for run in self.home.find(condition, BATCH):
            self._end(run.info.run_id, "its process died", RunStatus.KILLED)

    def finish_member(
        self,
        spec: MemberSpec,
        metrics: Mapping[str, float],
        files: Sequence[Path],
        folds: Folds | Mapping[str, str] | None = None,
        ended: int | None = None,
    ) -> None:
        parent = self._parent(spec)
        self._describe(parent, metrics, folds)
        self._adopt(f"{_of_member(spec)} and tags.`prefens.role` = 'fold' and tags.`{PARENT}` != '{parent}'", parent)
        self._log(parent, metrics, {}, files, ended)
        self.client.set_terminated(parent, end_time=ended)

    def log_race(self, spec: MemberSpec, metrics: Mapping[str, float], lost: bool, ended: int | None = None) -> None:
        parent = self._parent(spec)
        self._log(parent, metrics, {}, [], ended)
        self.client.set_tag(parent, "prefens.race", "lost" if lost else "stays")
        self.client.set_tag(parent, MLFLOW_RUN_NOTE, _raced(metrics, lost))
        if lost:
            self.client.set_terminated(parent, end_time=ended)

    def log_blend(
        self,
        name: str,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        files: Sequence[Path],
        tables: Mapping[str, Rows],
        model: Path | None = None,
        folds: Folds | Mapping[str, str] | None = None,
        attempt: str | None = None,
        started: int | None = None,
    ) -> None:
        run = self._run(name, {"prefens.role": "blend", **tags}, attempt, started)
        self._describe(run, metrics, folds)
        self._log(run, metrics, {}, files, started)
        logged = {item.path for item in self.client.list_artifacts(run, "tables")}
        for title, rows in tables.items():
            if f"tables/{title}.json" not in logged:  # MLflow would append the rows to those that are there
                self.client.log_table(run, _columns(rows), f"tables/{title}.json")
        if model is not None:
            try:
                model_registry.register(self.home, self.registered, model, run, tags)
            except (OSError, MlflowException) as error:
                if not self.home.local:
                    raise  # to be sent again
                log.warning("the model in %s is not registered: %s", model, error)
        self.client.set_terminated(run)

    def log_report(
        self,
        name: str,
        tags: Mapping[str, str],
        files: Sequence[Path],
        attempt: str | None = None,
        started: int | None = None,
    ) -> None:
        wanted = {"prefens.role": "blend", **tags}
        condition = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in wanted.items())
        known = self.home.find(condition, latest=True)
        if known:
            self._log(known[0].info.run_id, {}, {}, files, started)
            return
        run = self._run(name, {**tags, "prefens.role": "report"}, attempt, started)
        self._log(run, {}, {}, files, started)
        self.client.set_terminated(run)

    def find_model(self, place: str) -> Path:
        """Return the folder of a saved model; see `model_registry.find_model`."""
        return model_registry.find_model(self.home, place)

    def deliver(self) -> None:
        """Nothing is kept back."""

    def _run(self, name: str, tags: Mapping[str, str], attempt: str | None, started: int | None) -> str:
        """Get or create the run of an attempt."""
        if attempt is not None:
            known = self.home.find(f"tags.`prefens.attempt` = '{attempt}'")
            if known:
                return str(known[0].info.run_id)
            tags = {**tags, "prefens.attempt": attempt}
        run = self.client.create_run(self.experiment_id, started, dict(tags), name)
        return str(run.info.run_id)

    def _parent(self, spec: MemberSpec) -> str:
        """Get or create the member's run.

        MLflow has no such call. On one disk a lock makes one of two; machines that share only the server may make
        several at once: each of them then sees all, keeps the earliest, and merges the others into it.
        """
        condition = f"{_of_member(spec)} and tags.`prefens.role` = 'member'"
        with self.home.lock(f"member-{spec.key(0).member_digest[:16]}"):
            known = self.home.find(condition, BATCH)
            if not known:
                self.client.create_run(self.experiment_id, tags=_tags("member", spec), run_name=spec.name)
                known = self.home.find(condition, BATCH)
            keep, *doubles = [str(run.info.run_id) for run in known]
            for double in doubles:
                self._adopt(f"tags.`{PARENT}` = '{double}'", keep)
                self.client.delete_run(double)
            if doubles or not known[0].data.params:
                params = {"seed": spec.seed, **_flat(spec.recipe)}
                self.client.log_batch(
                    keep, params=[Param(name, str(value)[:PARAM_LENGTH]) for name, value in params.items()]
                )
            return keep

    def _adopt(self, condition: str, parent: str) -> None:
        for child in self.home.find(condition, BATCH):
            self.client.set_tag(child.info.run_id, PARENT, parent)

    def _describe(self, run: str, metrics: Mapping[str, float], folds: Folds | Mapping[str, str] | None) -> None:
        """Say on a run's page what its score is, and name the data that it is on as its input."""
        told = "Out-of-fold log loss **{:.4f} ± {:.4f}** nats".format(
            *(metrics.get(f"oof_{name}", float("nan")) for name in ("log_loss", "log_loss_se"))
        )
        self.client.set_tag(run, MLFLOW_RUN_NOTE, told)
        if folds is not None:
            self.client.log_inputs(run, [dataset_input(folds)])

    def _end(self, run: str, reason: str, status: int, ended: int | None = None) -> None:
        self.client.set_tag(run, "prefens.error", reason[:PARAM_LENGTH])
        self.client.set_terminated(run, RunStatus.to_string(status), end_time=ended)

    def _log(
        self,
        run: str,
        metrics: Mapping[str, float],
        curves: Mapping[str, Sequence[float]],
        files: Sequence[Path],
        at: int | None,
    ) -> None:
        now = int(time.time() * 1000) if at is None else at  # sent again at the same time, they are the same points
        points = [Metric(name, float(value), now, 0) for name, value in metrics.items()]
        points += [
            Metric(name, float(value), now, step) for name, curve in curves.items() for step, value in enumerate(curve)
        ]
        for start in range(0, len(points), BATCH):
            self.client.log_batch(run, metrics=points[start : start + BATCH])
        for path in files:
            self.client.log_artifact(run, str(path), "figures" if path.suffix == ".png" else None)


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


def _raced(metrics: Mapping[str, float], lost: bool) -> str:
    """Say what a race made of a member."""
    gain, low, high, least = (metrics[f"race_{name}"] for name in ("gain", "low", "high", "least"))
    verdict = "Given up after its first fold" if lost else "Stays in the race"
    return (
        f"{verdict}: mixed into the blend so far it gains **{gain:.4f}** nats [{low:.4f}, {high:.4f}]; "
        f"{least:g} were asked for."
    )


def _of_member(spec: MemberSpec) -> str:
    return f"tags.`prefens.member` = '{spec.key(0).member_digest}'"


def _tags(role: str, spec: MemberSpec) -> dict[str, str]:
    hub = {"prefens.commit": str(spec.recipe["commit"])} if "commit" in spec.recipe else {}  # of the backbone's files
    return hub | {
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
