"""Runs in MLflow: a parent run per member, one child run per fold, a run per blend."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

from mlflow.entities import Metric, Param, Run, RunStatus
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from prefens.core.fold_run import FULL, RunKey
from prefens.core.hashing import digest
from prefens.core.leases.leases import acquire, fold_lease
from prefens.core.types import Folds
from prefens.store.failures import Failure
from prefens.store.member_spec import MemberSpec
from prefens.store.run_record import RunRecord
from prefens.store.tracking import model_registry
from prefens.store.tracking.dataset import dataset_input
from prefens.store.tracking.dead_runs import BATCH, ERROR, LEASE, end_dead_run, ending, run_lease
from prefens.store.tracking.mlflow_backend import open_backend
from prefens.store.tracking.mlflow_values import flat_params, member_tags, milliseconds, score_note, table_columns
from prefens.store.tracking.tracker import MemberSummary, Rows

PARENT = "mlflow.parentRunId"  # the tag that nests a child run in the UI
CONTENT = "prefens.content"  # the tag with the digest of the stored files that a run was logged from; it is set last
EARLY_DISCARD, ROOT = "prefens.early_discard", "prefens.root"
PARAM_LENGTH = 6000  # characters: MLflow's limit


class MlflowTracker:
    """Logs runs to `root`/mlflow.db and `root`/artifacts, or to the server at `uri`.

    Everything that is logged comes from the store, times included. So every call may be repeated, by any process and
    after an interruption: what is logged already stays the same. Where a server does not answer, calls raise
    MlflowException or OSError after 10 seconds at most.

    Parameters
    ----------
    root : Path
        The tracking root.
    experiment : str
        The name of the experiment.
    uri : str or None
        The address of a server; None for the database under `root`.
    """

    def __init__(self, root: Path, experiment: str, uri: str | None = None) -> None:
        self.root = root.resolve()
        self.registered = re.sub("[/:]", "-", experiment)  # MLflow refuses these in the name of a model
        self.backend = open_backend(self.root, experiment, uri)
        self.uri, self.client, self.experiment_id = self.backend.uri, self.backend.client, self.backend.experiment_id

    def logged(self, spec: MemberSpec) -> dict[str, str | None]:
        """Return what is logged of a member and its fold runs.

        Returns
        -------
        dict of str to str or None
            By the digest of a fold run's key, or of the member: the digest of the files that its run was logged from;
            "" for a fold run that was started under this root and still runs, None for a run that is not complete.
        """
        contents = {}
        for run in self.backend.find(_of_member(spec), BATCH):
            tags = run.data.tags
            running = run.info.status == "RUNNING" and tags.get(ROOT) == str(self.root)
            key = tags.get("prefens.key", spec.key(0).member_digest)
            contents[key] = "" if running else tags.get(CONTENT)
        return contents

    def start_fold(self, spec: MemberSpec, key: RunKey, started: float, part: str | None = None) -> str:
        """Log that an attempt at a fold run begins, and delete the runs of earlier attempts; return the id of its run.

        `started` is in seconds since the epoch; `part` is what the run is called, "fold" and its number without it.
        """
        parent = self._parent(spec, started)
        with self._lock(spec):
            attempts = self.backend.find(f"tags.`prefens.key` = '{key.digest}'", BATCH)
            own = [run for run in attempts if run.info.start_time == milliseconds(started)][:1]
            for run in attempts:
                if run not in own:
                    self.client.delete_run(run.info.run_id)
            if own:
                self._set_tags(own[0], {ERROR: None})
                return str(own[0].info.run_id)
            lease = {ROOT: str(self.root), LEASE: fold_lease(self.root, key).name}
            tags = {PARENT: parent, "prefens.key": key.digest, "prefens.fold": str(key.fold)} | lease
            name = f"{spec.name} {part or f'fold {key.fold}'}"
            run = self._create(name, member_tags("fold", spec) | tags, started)
        params = {"seed": spec.seed, "fold": key.fold, "backbone": spec.backbone}
        self.client.log_batch(run, params=[Param(name, str(value)) for name, value in params.items()])
        return run

    def log_fold(
        self, spec: MemberSpec, key: RunKey, record: RunRecord, files: Sequence[Path], part: str | None = None
    ) -> None:
        """Log the record of a stored fold run, and files; the scores of a full fit, if any, are the hold-out's."""
        run, prefix = self.start_fold(spec, key, record.started, part), "holdout_" if part == FULL else ""
        scores = {f"{prefix}log_loss": record.log_loss, f"{prefix}accuracy": record.accuracy}
        numbers = {name: value for name, value in record.metadata.items() if not isinstance(value, str)}
        metrics = {"seconds": record.seconds, **numbers}
        metrics |= {name: value for name, value in scores.items() if value is not None}
        self._log(run, metrics, record.ended, files, record.curves)
        self._end(run, RunStatus.FINISHED, record.ended, record.digest)

    def log_failure(self, spec: MemberSpec, key: RunKey, failure: Failure, part: str | None = None) -> None:
        """Log why the last attempt at a fold run failed."""
        run = self.start_fold(spec, key, failure.started, part)
        self.client.set_tag(run, ERROR, failure.error[:PARAM_LENGTH])
        self._end(run, RunStatus.FAILED, failure.time, digest(asdict(failure)))

    def close_fold(self, key: RunKey) -> None:
        """End the runs of a key that were started under this root: no process works on them any more."""
        condition = f"tags.`prefens.key` = '{key.digest}' and attributes.status = 'RUNNING'"
        for run in self.backend.find(condition, BATCH):
            if run.data.tags.get(ROOT) == str(self.root):
                end_dead_run(self.backend, run.info.run_id)

    def log_member(self, spec: MemberSpec, summary: MemberSummary, content: str) -> None:
        """Log the scores of a member; `content` is the digest of what they were computed from."""
        parent = self._parent(spec, summary.started)
        self._adopt(f"{_of_member(spec)} and tags.`prefens.role` = 'fold' and tags.`{PARENT}` != '{parent}'", parent)
        self._log(parent, summary.metrics, summary.ended, summary.files)
        if summary.folds is not None:
            self.client.log_inputs(parent, [dataset_input(summary.folds)])
        tags = {EARLY_DISCARD: summary.early_discard, MLFLOW_RUN_NOTE: summary.note}
        tags[CONTENT] = None if summary.finished else content
        self._set_tags(self.client.get_run(parent), tags)
        if summary.finished:
            self._end(parent, RunStatus.FINISHED, summary.ended, content)
        else:
            self.client.update_run(parent, RunStatus.to_string(RunStatus.RUNNING))

    def has_blend(self, content: str) -> bool:
        """Whether the blend whose predictions have this digest is logged completely."""
        return bool(self.backend.find(f"tags.`{CONTENT}` = '{content}'"))

    def log_blend(
        self,
        name: str,
        content: str,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        files: Sequence[Path],
        tables: Mapping[str, Rows],
        model: Path | None = None,
        folds: Folds | None = None,
        best: bool = True,
    ) -> str:
        """Log a blend, and return the id of its run.

        Parameters
        ----------
        name, content : str
            The name of the run, and the digest of its predictions.
        metrics, tags : mapping
            Its scores, and what it is found by.
        files : sequence of Path
            Artifacts.
        tables : mapping of str to rows
            Tables that the run shows, by title.
        model, best : Path or None, and bool
            The folder of its saved model, and whether that becomes the best registered version.
        folds : Folds or None
            The rows that were blended.
        """
        lease = run_lease(self.root, f"blend-{content[:16]}")
        with self.backend.lock(f"blend-{content[:16]}"), acquire(lease, {"blend": content}):
            runs = self.backend.find(f"tags.`prefens.blend` = '{content}'")
            identity = {"prefens.role": "blend", "prefens.blend": content, LEASE: lease.name}
            run = str(runs[0].info.run_id) if runs else self._create(name, dict(tags) | identity)
            with ending(self.backend, run):
                if not runs or runs[0].data.tags.get(CONTENT) != content:
                    self._log_blend(run, metrics, files, tables, folds)
                if model is not None:
                    model_registry.register(self.backend, self.registered, model, run, tags, best)
                self._end(run, RunStatus.FINISHED, None, content)
        return run

    def _log_blend(
        self,
        run: str,
        metrics: Mapping[str, float],
        files: Sequence[Path],
        tables: Mapping[str, Rows],
        folds: Folds | None,
    ) -> None:
        self._log(run, metrics, self.client.get_run(run).info.start_time / 1000, files)
        self.client.set_tag(run, MLFLOW_RUN_NOTE, score_note(metrics))
        if folds is not None:
            self.client.log_inputs(run, [dataset_input(folds)])
        logged = {item.path for item in self.client.list_artifacts(run, "tables")}
        for title, rows in tables.items():
            if f"tables/{title}.json" not in logged:  # MLflow would append the rows to those that are there
                self.backend.check_artifact(run, f"tables/{title}.json")
                self.client.log_table(run, table_columns(rows), f"tables/{title}.json")

    def log_report(
        self, name: str, tags: Mapping[str, str], files: Sequence[Path], metrics: Mapping[str, float] | None = None
    ) -> str:
        """Log files and metrics to the latest blend with these tags, or else to a new run; return the run's id."""
        blend_tags = {"prefens.role": "blend", **tags}
        condition = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in blend_tags.items())
        if runs := self.backend.find(condition, latest=True):
            self._log(str(runs[0].info.run_id), metrics or {}, time.time(), files)
            return str(runs[0].info.run_id)
        lease = run_lease(self.root, f"report-{uuid4().hex[:16]}")
        with acquire(lease, {"report": name}):
            run = self._create(name, {**tags, "prefens.role": "report", LEASE: lease.name})
            with ending(self.backend, run):
                self._log(run, metrics or {}, time.time(), files)
            self.client.set_terminated(run)
        return run

    def find_model(self, address: str) -> Path:
        """Return the folder of a saved model; see `model_registry.find_model`."""
        return model_registry.find_model(self.backend, address)

    def _lock(self, spec: MemberSpec) -> AbstractContextManager[None]:
        return self.backend.lock(f"member-{spec.key(0).member_digest[:16]}")

    def _create(self, name: str, tags: Mapping[str, str], started: float | None = None) -> str:
        began = None if started is None else milliseconds(started)
        return str(self.client.create_run(self.experiment_id, began, dict(tags), name).info.run_id)

    def _parent(self, spec: MemberSpec, started: float) -> str:
        """Get or create the member's run.

        MLflow has no such call. Processes on one disk use a lock. Machines that share only the server may create
        several runs at once: each of them then keeps the earliest and moves the fold runs of the others to it.
        """
        condition = f"{_of_member(spec)} and tags.`prefens.role` = 'member'"
        with self._lock(spec):
            runs = self.backend.find(condition, BATCH)
            if not runs:
                self._create(spec.name, member_tags("member", spec), started)
                runs = self.backend.find(condition, BATCH)
            parent, *duplicates = [str(run.info.run_id) for run in runs]
            for duplicate in duplicates:
                self._adopt(f"tags.`{PARENT}` = '{duplicate}'", parent)
                self.client.delete_run(duplicate)
            if duplicates or not runs[0].data.params:
                params = {"seed": spec.seed, **flat_params(spec.recipe)}
                self.client.log_batch(
                    parent, params=[Param(name, str(value)[:PARAM_LENGTH]) for name, value in params.items()]
                )
            if runs[0].info.status == "KILLED":  # closed after its process had died
                self.client.update_run(parent, RunStatus.to_string(RunStatus.RUNNING))
            return parent

    def _adopt(self, condition: str, parent: str) -> None:
        for child in self.backend.find(condition, BATCH):
            self.client.set_tag(child.info.run_id, PARENT, parent)

    def _set_tags(self, run: Run, tags: Mapping[str, str | None]) -> None:
        """Set a run's tags; None deletes one."""
        for name, value in tags.items():
            if value is not None:
                self.client.set_tag(run.info.run_id, name, value)
            elif name in run.data.tags:
                self.client.delete_tag(run.info.run_id, name)

    def _end(self, run: str, status: int, ended: float | None, content: str) -> None:
        """End a run, and tag it with its content; the tag comes last, since a run without it is logged again."""
        at = None if ended is None else milliseconds(ended)
        self.client.set_terminated(run, RunStatus.to_string(status), at)
        self.client.set_tag(run, CONTENT, content)

    def _log(
        self,
        run: str,
        metrics: Mapping[str, float],
        at: float,
        files: Sequence[Path],
        curves: Mapping[str, Sequence[float]] = MappingProxyType({}),
    ) -> None:
        """Log scores, curves by step, and files; `at` is in seconds since the epoch. Repeated calls add no points."""
        time_ = milliseconds(at)
        points = [Metric(name, float(value), time_, 0) for name, value in metrics.items()]
        points += [
            Metric(name, float(value), time_, step)
            for name, curve in curves.items()
            for step, value in enumerate(curve)
        ]
        for start in range(0, len(points), BATCH):
            self.client.log_batch(run, metrics=points[start : start + BATCH])
        for path in files:
            folder = "figures" if path.suffix == ".png" else ""
            self.backend.check_artifact(run, folder, path.name)
            self.client.log_artifact(run, str(path), folder)


def _of_member(spec: MemberSpec) -> str:
    return f"tags.`prefens.member` = '{spec.key(0).member_digest}'"
