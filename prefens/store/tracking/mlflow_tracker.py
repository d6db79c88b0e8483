"""Runs in MLflow: a parent run per member, one child run per fold, a run per blend."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlflow.entities import Metric, Param, Run, RunStatus
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from prefens.core.fold_run import RunKey
from prefens.core.hashing import digest
from prefens.core.types import Folds
from prefens.store.failures import Failure
from prefens.store.member_spec import MemberSpec
from prefens.store.run_record import RunRecord
from prefens.store.tracking import model_registry
from prefens.store.tracking.dataset import dataset_input
from prefens.store.tracking.mlflow_backend import open_backend
from prefens.store.tracking.tracker import MemberSummary, Rows

PARENT = "mlflow.parentRunId"  # the tag that nests a child run in the UI
CONTENT = "prefens.content"  # the tag with the digest of what a run was logged from; it is set last
ERROR, EARLY_DISCARD, ROOT = "prefens.error", "prefens.early_discard", "prefens.root"
PARAM_LENGTH = 6000  # MLflow's limit
BATCH = 1000  # metrics a request, and runs a search: MLflow's limit


class MlflowTracker:
    """Logs runs to `root`/mlflow.db and `root`/artifacts, or to the server at `uri`.

    All that is logged comes from the store, with the times that it holds. So every call may be repeated, by any
    process, whether it was cut off or not: it changes nothing that is there. A server that does not answer is an
    MlflowException or an OSError after 10 seconds at most.
    """

    def __init__(self, root: Path, experiment: str, uri: str | None = None) -> None:
        self.root = root.resolve()
        self.registered = re.sub("[/:]", "-", experiment)  # the two that MLflow refuses in a model's name
        self.backend = open_backend(self.root, experiment, uri)
        self.uri, self.client, self.experiment_id = self.backend.uri, self.backend.client, self.backend.experiment_id

    def logged(self, spec: MemberSpec) -> dict[str, str | None]:
        """Return what is logged of a member: digests of the content, by the key's digest of the fold run or member.

        "" for a fold run that was begun under this root and looks alive; None for a run without content.
        """
        contents = {}
        for run in self.backend.find(_of_member(spec), BATCH):
            tags = run.data.tags
            begun = run.info.status == "RUNNING" and tags.get(ROOT) == str(self.root)
            key = tags.get("prefens.key", spec.key(0).member_digest)
            contents[key] = "" if begun else tags.get(CONTENT)
        return contents

    def start_fold(self, spec: MemberSpec, key: RunKey, started: float) -> str:
        """Log that an attempt at a fold run begins (seconds since the epoch); return the id of its run.

        The runs of earlier attempts are deleted.
        """
        parent = self._parent(spec, started)
        with self._lock(spec):
            attempts = self.backend.find(f"tags.`prefens.key` = '{key.digest}'", BATCH)
            own = [run for run in attempts if run.info.start_time == _milliseconds(started)][:1]
            for run in attempts:
                if run not in own:
                    self.client.delete_run(run.info.run_id)
            if own:
                self._set_tags(own[0], {ERROR: None})
                return str(own[0].info.run_id)
            tags = {PARENT: parent, ROOT: str(self.root), "prefens.key": key.digest, "prefens.fold": str(key.fold)}
            name = f"{spec.name} fold {key.fold}"
            run = self._create(name, _tags("fold", spec) | tags, started)
        params = {"seed": spec.seed, "fold": key.fold, "backbone": spec.backbone}
        self.client.log_batch(run, params=[Param(name, str(value)) for name, value in params.items()])
        return run

    def log_fold(self, spec: MemberSpec, key: RunKey, record: RunRecord, files: Sequence[Path]) -> None:
        """Log a stored fold run: its record, and files."""
        run = self.start_fold(spec, key, record.started)
        numbers = {name: value for name, value in record.metadata.items() if not isinstance(value, str)}
        metrics = {"log_loss": record.log_loss, "accuracy": record.accuracy, "seconds": record.seconds, **numbers}
        self._log(run, metrics, record.ended, files, record.curves)
        self._end(run, RunStatus.FINISHED, record.ended, record.digest)

    def log_failure(self, spec: MemberSpec, key: RunKey, failure: Failure) -> None:
        """Log why the last attempt at a fold run failed."""
        run = self.start_fold(spec, key, failure.started)
        self.client.set_tag(run, ERROR, failure.error[:PARAM_LENGTH])
        self._end(run, RunStatus.FAILED, failure.time, digest(asdict(failure)))

    def close_fold(self, key: RunKey) -> None:
        """Mark runs of this key that look alive: the process under this root that began them does not work on them."""
        condition = f"tags.`prefens.key` = '{key.digest}' and attributes.status = 'RUNNING'"
        for run in self.backend.find(condition, BATCH):
            if run.data.tags.get(ROOT) == str(self.root):
                self.client.set_tag(run.info.run_id, ERROR, "its process died, or was stopped")
                self.client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))

    def log_member(self, spec: MemberSpec, summary: MemberSummary, content: str) -> None:
        """Log what is known of a member besides its fold runs; `content` is the digest of what that comes from."""
        parent = self._parent(spec, summary.started)
        self._adopt(f"{_of_member(spec)} and tags.`prefens.role` = 'fold' and tags.`{PARENT}` != '{parent}'", parent)
        self._log(parent, summary.metrics, summary.ended, summary.files)
        if summary.folds is not None:
            self.client.log_inputs(parent, [dataset_input(summary.folds)])
        tags = {
            EARLY_DISCARD: summary.early_discard,
            MLFLOW_RUN_NOTE: summary.note,
            CONTENT: None if summary.finished else content,
        }
        self._set_tags(self.client.get_run(parent), tags)
        if summary.finished:
            self._end(parent, RunStatus.FINISHED, summary.ended, content)
        else:
            self.client.update_run(parent, RunStatus.to_string(RunStatus.RUNNING))

    def has_blend(self, content: str) -> bool:
        """Whether the blend whose blend.json has this digest is logged, wholly."""
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
    ) -> str:
        """Log a blend of the rows of `folds`, with tables to look at; return the id of its run.

        Its model becomes the registered one.

        `content` is the digest of its blend.json.
        """
        with self.backend.lock(f"blend-{content[:16]}"):
            known = self.backend.find(f"tags.`prefens.blend` = '{content}'")
            identity = {"prefens.role": "blend", "prefens.blend": content}
            run = str(known[0].info.run_id) if known else self._create(name, dict(tags) | identity)
            if not known or known[0].data.tags.get(CONTENT) != content:
                self._log_blend(run, metrics, files, tables, folds)
            if model is not None:
                model_registry.register(self.backend, self.registered, model, run, tags)
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
                self.client.log_table(run, _columns(rows), f"tables/{title}.json")

    def log_report(self, name: str, tags: Mapping[str, str], files: Sequence[Path]) -> str:
        """Log a report's files to the latest blend with these tags, or else to a run of their own; return its id."""
        wanted = {"prefens.role": "blend", **tags}
        condition = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in wanted.items())
        known = self.backend.find(condition, latest=True)
        run = str(known[0].info.run_id) if known else self._create(name, {**tags, "prefens.role": "report"})
        self._log(run, {}, time.time(), files)
        if not known:
            self.client.set_terminated(run)
        return run

    def find_model(self, place: str) -> Path:
        """Return the folder of a saved model; see `model_registry.find_model`."""
        return model_registry.find_model(self.backend, place)

    def _lock(self, spec: MemberSpec) -> AbstractContextManager[None]:
        return self.backend.lock(f"member-{spec.key(0).member_digest[:16]}")

    def _create(self, name: str, tags: Mapping[str, str], started: float | None = None) -> str:
        began = None if started is None else _milliseconds(started)
        return str(self.client.create_run(self.experiment_id, began, dict(tags), name).info.run_id)

    def _parent(self, spec: MemberSpec, started: float) -> str:
        """Get or create the member's run.

        MLflow has no such call. On one disk a lock makes one of two; machines that share only the server may make
        several at once: each of them then sees all, keeps the earliest, and merges the others into it.
        """
        condition = f"{_of_member(spec)} and tags.`prefens.role` = 'member'"
        with self._lock(spec):
            known = self.backend.find(condition, BATCH)
            if not known:
                self._create(spec.name, _tags("member", spec), started)
                known = self.backend.find(condition, BATCH)
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
        """End a run, and say what it was logged from: that comes last, as a run without it is logged again."""
        at = None if ended is None else _milliseconds(ended)
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
        """Log scores, curves by step, and files. Logged again with the same time, they are the same points."""
        time_ = _milliseconds(at)
        points = [Metric(name, float(value), time_, 0) for name, value in metrics.items()]
        points += [
            Metric(name, float(value), time_, step)
            for name, curve in curves.items()
            for step, value in enumerate(curve)
        ]
        for start in range(0, len(points), BATCH):
            self.client.log_batch(run, metrics=points[start : start + BATCH])
        for path in files:
            self.client.log_artifact(run, str(path), "figures" if path.suffix == ".png" else None)


def score_note(metrics: Mapping[str, float]) -> str:
    """Return what a run's page says of its score, Markdown."""
    score, error = (metrics.get(f"oof_{name}", float("nan")) for name in ("log_loss", "log_loss_se"))
    return f"Out-of-fold log loss **{score:.4f} ± {error:.4f}** nats"


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


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
