"""Sync: whatever happens to MLflow and to processes, it ends up with what the store holds, once each."""

import json
import logging
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException, RestException

from prefens.core.errors import TrainingError
from prefens.core.leases.leases import acquire, fold_lease
from prefens.core.shutdown import Stopped
from prefens.core.types import Floats, Pairs
from prefens.data.corpus import Corpus
from prefens.data.folds import prompt_groups
from prefens.data.submission import COLUMNS as SUBMISSION
from prefens.members.base import Context, FitReport, Member
from prefens.runner.sync import sync_store
from prefens.runner.trainer import Trainer
from prefens.store.failures import failure_of
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.guarded_tracker import GuardedTracker
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.commands import prefens
from tests.helpers.examples import folds_of, make_pairs, write_csv
from tests.helpers.trackers import guarded


@dataclass
class Constant(Member):
    """Predicts the same of all pairs; fails in the training where it is told to."""

    error: BaseException | None = None

    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        if self.error is not None:
            raise self.error
        return FitReport({"train_loss": [1.2, 1.1]})

    def predict_proba(self, pairs: Pairs) -> Floats:
        return np.full((len(pairs), 3), 1 / 3)

    def save(self, directory: Path) -> None:
        (directory / "nothing").write_text("")

    @classmethod
    def load(cls, directory: Path, backbones: Sequence[Path] = ()) -> Self:
        return cls()


@dataclass
class Line:
    """A tracker (SQLite here) that can be cut off."""

    tracker: MlflowTracker
    cut: bool = False
    asked: int = 0

    def connect(self) -> Any:
        return self

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*arguments: Any) -> Any:
            self.asked += 1
            if self.cut:
                raise MlflowException("Max retries exceeded")
            return getattr(self.tracker, name)(*arguments)

        return call

    def runs(self, role: str = "fold") -> list[Any]:
        runs = self.tracker.client.search_runs([self.tracker.experiment_id])
        return [run for run in runs if run.data.tags["prefens.role"] == role]

    def statuses(self) -> list[str]:
        return sorted(run.info.status for run in self.runs())


@dataclass
class Project:
    """A store of three folds, and a tracker that may be cut off from it."""

    root: Path
    line: Line
    corpus: Corpus
    guard: GuardedTracker = field(init=False)

    def __post_init__(self) -> None:
        self.guard = self.new_guard()

    def new_guard(self) -> GuardedTracker:
        """Return the tracker of another process."""
        return guarded(self.line.connect, self.root)

    @property
    def split(self) -> SplitStore:
        return OOFStore(self.root).put_folds(self.corpus.folds)

    @property
    def spec(self) -> MemberSpec:
        return MemberSpec("idle", "x", {"bits": 4}, 0, self.corpus.folds.data_digest, self.corpus.folds.digest)

    def train(self, folds: Sequence[int] = range(3), error: BaseException | None = None, force: bool = False) -> None:
        trainer = Trainer(self.corpus, self.split, self.guard, self.root, force)
        trainer.train_member(self.spec, lambda: Constant(error), folds)

    def sync(self) -> int:
        return sync_store(OOFStore(self.root), self.guard)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mlflow")
    MlflowTracker(root, "first")
    return root


@pytest.fixture
def project(database: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Project:
    pairs = make_pairs(60)
    tracker = MlflowTracker(database, request.node.name)
    tracker.root = tmp_path  # the root that its runs are begun under
    return Project(tmp_path, Line(tracker), Corpus(pairs, folds_of(pairs, k=3), prompt_groups(pairs), None))


def check_mirror(project: Project) -> None:
    """One finished run per fold and member, with the results, the times and the files of the store."""
    client, split = project.line.tracker.client, project.split
    (member,) = project.line.runs("member")
    folds = sorted(project.line.runs(), key=lambda run: run.data.tags["prefens.fold"])
    records = [split.record(project.spec, fold) for fold in range(3)]
    for run, record in zip(folds, records, strict=True):
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == member.info.run_id
        assert (run.info.start_time, run.info.end_time) == (int(record.started * 1000), int(record.ended * 1000))
        assert "prefens.error" not in run.data.tags
        assert run.data.metrics["log_loss"] == pytest.approx(record.log_loss)
        stored = split.fold_dir(project.spec.name, record.key.fold) / "run.json"
        assert Path(client.download_artifacts(run.info.run_id, "run.json")).read_bytes() == stored.read_bytes()
        points = client.get_metric_history(run.info.run_id, "train_loss")
        assert [(point.step, point.value) for point in points] == [(0, 1.2), (1, 1.1)]
    assert member.info.status == "FINISHED"
    assert member.info.end_time == max(run.info.end_time for run in folds)
    assert member.data.metrics["oof_log_loss"] == pytest.approx(np.log(3))
    assert [item.dataset.digest for item in member.inputs.dataset_inputs] == [split.folds.data_digest[:12]]
    for name in member.data.metrics:
        assert len(client.get_metric_history(member.info.run_id, name)) == 1


def content(project: Project) -> list[Any]:
    runs = [run for role in ("fold", "member", "blend") for run in project.line.runs(role)]
    return sorted(json.dumps(run.to_dictionary(), sort_keys=True) for run in runs)


def test_results_made_while_mlflow_is_down_are_logged_later_once(project: Project) -> None:
    project.line.cut = True
    project.train()
    assert project.line.asked == 1  # then it is left alone for a while
    assert project.sync() == 0
    assert project.guard.behind
    assert project.line.runs() + project.line.runs("member") == []
    project.line.cut = False
    assert project.sync() == 4
    assert not project.guard.behind
    check_mirror(project)
    before = content(project)
    assert project.sync() == 0
    assert content(project) == before


def test_a_training_logs_as_sync_does(project: Project) -> None:
    project.train()
    check_mirror(project)
    assert not project.guard.behind
    assert project.sync() == 0


def test_another_process_logs_what_one_could_not(project: Project) -> None:
    project.line.cut = True
    project.train()
    project.line.cut = False
    project.guard = project.new_guard()
    assert project.guard.behind
    project.sync()
    assert not project.new_guard().behind
    check_mirror(project)


def test_what_began_before_an_outage_is_finished_after_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that began is the one that ends."""
    begun: list[str] = []
    real = Constant.fit

    def fit(self: Constant, *arguments: Any) -> FitReport:
        begun.extend(run.info.run_id for run in project.line.runs())
        project.line.cut = True
        return real(self, *arguments)

    monkeypatch.setattr(Constant, "fit", fit)
    project.train([0])
    assert project.line.statuses() == ["RUNNING"]
    project.line.cut = False
    project.sync()
    assert [(run.info.run_id, run.info.status) for run in project.line.runs()] == [(begun[0], "FINISHED")]


@pytest.mark.parametrize("call", ["log_batch", "log_artifact", "set_terminated", "set_tag"])
def test_logging_that_was_cut_off_anywhere_is_completed(
    project: Project, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a process that was killed, or a server that went away, between two requests."""
    client = project.line.tracker.client
    real, generator = getattr(client, call), np.random.default_rng(0)

    def cut(*arguments: Any, **named: Any) -> Any:
        if generator.random() < 0.3:
            raise MlflowException("Max retries exceeded")
        return real(*arguments, **named)

    monkeypatch.setattr(client, call, cut)
    project.train()
    assert project.guard.behind
    for _ in range(20):
        project.guard = project.new_guard()
        project.sync()
    assert not project.guard.behind
    check_mirror(project)


def test_errors_and_stops_stay_apart(project: Project) -> None:
    with pytest.raises(TrainingError):
        project.train([0], TrainingError("no good", "better", "do"))
    with pytest.raises(Stopped):
        project.train([1], Stopped("asked to stop", 143))
    errors = {run.info.status: run.data.tags["prefens.error"] for run in project.line.runs()}
    assert errors.keys() == {"FAILED", "KILLED"}
    assert errors["FAILED"].startswith("no good")
    project.train()
    check_mirror(project)


def test_failures_are_logged_later_with_their_times(project: Project) -> None:
    project.line.cut = True
    with pytest.raises(TrainingError):
        project.train([0], TrainingError("no good", "better", "do"))
    project.line.cut = False
    project.sync()
    (run,) = project.line.runs()
    failure = failure_of(project.split.fold_dir(project.spec.name, 0))
    assert failure is not None
    assert (run.info.status, run.data.tags["prefens.error"]) == ("FAILED", failure.error)
    assert (run.info.start_time, run.info.end_time) == (int(failure.started * 1000), int(failure.time * 1000))
    before = content(project)
    assert project.sync() == 0
    assert content(project) == before


def test_runs_of_dead_processes_are_marked_and_living_ones_are_left_alone(project: Project) -> None:
    key, tracker = project.spec.key(0), project.line.tracker
    project.split.put_member(project.spec)
    tracker.start_fold(project.spec, key, time.time())
    with acquire(fold_lease(project.root, key), {}):
        project.sync()
        assert project.line.statuses() == ["RUNNING"]
    tracker.root = project.root / "elsewhere"  # another machine, whose leases are not here
    project.sync()
    assert project.line.statuses() == ["RUNNING"]
    tracker.root = project.root
    project.sync()
    assert project.line.statuses() == ["KILLED"]
    project.train()
    check_mirror(project)


def test_a_result_that_was_stored_before_its_process_died_is_logged(project: Project) -> None:
    project.line.cut = True
    project.train([0])
    project.line.cut = False
    started = project.split.record(project.spec, 0).started
    project.line.tracker.start_fold(project.spec, project.spec.key(0), started)
    project.sync()
    assert project.line.statuses() == ["FINISHED"]


def test_a_fold_that_is_trained_again_replaces_its_run(project: Project) -> None:
    project.train()
    before = {run.info.run_id for run in project.line.runs()}
    project.train([1], force=True)
    assert len(before & {run.info.run_id for run in project.line.runs()}) == 2
    assert len(project.line.runs()) == 3
    (member,) = project.line.runs("member")
    assert member.info.end_time == int(project.split.record(project.spec, 1).ended * 1000)
    project.line.cut = True
    project.train([2], force=True)
    project.line.cut = False
    assert project.sync() == 2
    ended = {run.data.tags["prefens.fold"]: run.info.end_time for run in project.line.runs()}
    assert ended["2"] == int(project.split.record(project.spec, 2).ended * 1000)


@pytest.mark.parametrize("name", ["run.json", "predictions.parquet"])
def test_what_is_damaged_is_named_and_left_out(project: Project, name: str, caplog: pytest.LogCaptureFixture) -> None:
    project.line.cut = True
    project.train()
    project.line.cut = False
    path = project.split.fold_dir(project.spec.name, 1) / name
    path.write_bytes(path.read_bytes()[:20])
    assert project.sync() == 2
    assert f"fold 1 is not logged to MLflow: {path}" in caplog.text
    assert {run.data.tags["prefens.fold"] for run in project.line.runs()} == {"0", "2"}
    assert "oof_log_loss" not in project.line.runs("member")[0].data.metrics
    project.train()
    check_mirror(project)


def test_what_mlflow_refuses_does_not_hold_up_the_rest(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*arguments: Any) -> None:
        raise RestException({"error_code": "INVALID_PARAMETER_VALUE", "message": "no such thing"})

    project.line.cut = True
    project.train()
    project.line.cut = False
    with monkeypatch.context() as patch:
        patch.setattr(project.line.tracker, "log_fold", refuse)
        project.guard = project.new_guard()
        project.split.put_member(MemberSpec("other", "x", {}, 0, *(2 * ("d" * 64,))))
        assert project.sync() == 0
    assert project.guard.behind
    assert "no such thing" in caplog.text
    project.sync()
    check_mirror(project)


def test_one_warning_says_how_to_go_on(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.line.cut = True
    with caplog.at_level(logging.WARNING):
        project.train()
        project.sync()
        project.sync()
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "Max retries exceeded" in warning
    assert "python -m prefens.sync" in warning


def test_an_end_of_a_command_that_takes_too_long_leaves_the_rest(project: Project) -> None:
    project.line.cut = True
    project.train()
    project.line.cut = False
    assert sync_store(OOFStore(project.root), project.guard, seconds=0.0) == 0
    assert project.guard.behind


@pytest.fixture(scope="module")
def unlogged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose commands found nonsense in place of MLflow's database."""
    folder = tmp_path_factory.mktemp("unlogged")
    write_csv(folder / "train.csv", make_pairs(60))
    (folder / "runs").mkdir()
    (folder / "runs" / "mlflow.db").write_text("not a database")
    given = ["backbone=style", "backbone.strengths=[0.1]", "folds.k=3", "data.path=train.csv"]
    for command, arguments in (("train", given), ("blend", ["blender=soft_vote"])):
        messages = prefens(command, *arguments, cwd=folder).stderr
        assert messages.count("python -m prefens.sync tracking=local") == 1
        assert "Traceback" not in messages
    assert (folder / "blend.json").is_file()
    return folder


def copy_of(unlogged: Path, folder: Path) -> tuple[OOFStore, GuardedTracker]:
    shutil.copytree(unlogged / "runs", folder / "runs", dirs_exist_ok=True)
    (folder / "runs" / "mlflow.db").unlink()
    root = folder / "runs"
    return OOFStore(root), guarded(lambda: MlflowTracker(root, "prefens"), root)


def roles(root: Path) -> list[str]:
    tracker = MlflowTracker(root, "prefens")
    return sorted(run.data.tags["prefens.role"] for run in tracker.client.search_runs([tracker.experiment_id]))


def own_tags(run: Any) -> dict[str, str]:
    return {name: value for name, value in run.data.tags.items() if name.startswith("prefens.")}


def test_the_command_says_what_it_did_and_fails_while_it_cannot(unlogged: Path, tmp_path: Path) -> None:
    shutil.copytree(unlogged / "runs", tmp_path / "runs")
    assert "not all" in prefens("sync", cwd=tmp_path, fails=True).stderr
    (tmp_path / "runs" / "mlflow.db").unlink()
    assert "5 runs logged: MLflow has all of runs" in prefens("sync", cwd=tmp_path).stdout
    assert "0 runs logged" in prefens("sync", cwd=tmp_path).stdout
    assert roles(tmp_path / "runs") == ["blend"] + ["fold"] * 3 + ["member"]
    assert "tracking=none" in prefens("sync", "tracking=none", cwd=tmp_path, fails=True).stderr


def test_a_blend_is_logged_from_the_store_as_by_the_blend_itself(unlogged: Path, tmp_path: Path) -> None:
    store, guard = copy_of(unlogged, tmp_path)
    assert sync_store(store, guard) == 5
    tracker = MlflowTracker(store.root, "prefens")
    (run,) = tracker.backend.find("tags.`prefens.role` = 'blend'", 10)
    artifacts = {item.path for item in tracker.client.list_artifacts(run.info.run_id)}
    stored = store.select().blend()
    prefens("blend", "blender=soft_vote", "tracking.experiment=other", cwd=tmp_path)
    other = MlflowTracker(store.root, "other")
    (direct,) = other.backend.find("tags.`prefens.role` = 'blend'", 10)
    assert store.select().blend() == stored
    assert artifacts == {item.path for item in other.client.list_artifacts(direct.info.run_id)}
    assert {"blend.json", "predictions.parquet", "figures", "tables"} <= artifacts
    assert run.data.metrics == direct.data.metrics
    assert run.data.metrics["oof_log_loss"] == pytest.approx(stored["best_honest"])
    ours = [
        {name: tags[name] for name in tags if name.startswith("prefens.")} for tags in (run.data.tags, direct.data.tags)
    ]
    assert ours[0] == ours[1]
    assert tracker.find_model("models:/prefens@best").is_dir()
    assert sync_store(store, guarded(lambda: other, tmp_path)) == 4  # the blend is there


def test_a_model_of_another_blend_is_not_logged(unlogged: Path, tmp_path: Path) -> None:
    prefens("train", "backbone=tfidf", "folds.k=3", f"data.path={unlogged}/train.csv", "tracking=none", cwd=tmp_path)
    store, guard = copy_of(unlogged, tmp_path)
    prefens("blend", "blender=greedy", "model=false", "tracking=none", cwd=tmp_path)
    assert (store.select().path / "model" / "MLmodel").is_file()
    sync_store(store, guard)
    assert "blend" in roles(store.root)
    assert MlflowTracker(store.root, "prefens").client.search_registered_models() == []


def test_a_damaged_blend_is_named_and_the_rest_is_logged(
    unlogged: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, guard = copy_of(unlogged, tmp_path)
    path = store.select().blend_path
    path.write_bytes(path.read_bytes()[:20])
    assert sync_store(store, guard) == 4
    assert str(path) in caplog.text
    assert not guard.behind


def test_what_no_store_holds_is_said_to_be_unlogged(unlogged: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", make_pairs(60))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mlflow.db").write_text("not a database")
    member = pd.DataFrame({"id": make_pairs(60).ids, **dict.fromkeys(SUBMISSION.values(), 1 / 3)})
    member.to_csv(tmp_path / "member.csv", index=False)
    for name, argument, message in (
        ("blend", "members=[member.csv]", "this blend .* logged to MLflow; it is in here"),
        ("report", "only=data", "the results are not logged to MLflow; they are in here"),
    ):
        messages = prefens(name, argument, "data.path=train.csv", "out=here", cwd=tmp_path).stderr
        assert re.search(message, messages)


def test_the_next_command_logs_what_the_last_could_not(unlogged: Path, tmp_path: Path) -> None:
    copy_of(unlogged, tmp_path)
    write_csv(tmp_path / "train.csv", make_pairs(60))
    assert list(tmp_path.glob("runs/locks/unsynced-*"))
    assert "5 runs logged" in prefens("report", "data.path=train.csv", "only=data", cwd=tmp_path).stderr
    assert not list(tmp_path.glob("runs/locks/unsynced-*"))
    assert roles(tmp_path / "runs") == ["blend"] + ["fold"] * 3 + ["member", "report"]


def test_a_full_fit_is_a_child_run_of_its_own_whose_scores_are_the_hold_outs(project: Project) -> None:
    pairs = make_pairs(60)
    project.corpus = Corpus(pairs, folds_of(pairs, k=3, holdout=0.2), prompt_groups(pairs), None)
    trainer = Trainer(project.corpus, project.split, project.guard, project.root)
    project.line.cut = True
    trainer.train_full(project.spec, Constant)
    assert project.line.runs() == []
    project.line.cut = False
    project.guard = project.new_guard()
    assert project.sync() == 1
    (run,) = project.line.runs()
    assert run.info.run_name == f"{project.spec.name} all"
    assert {"holdout_log_loss", "holdout_accuracy"} <= {*run.data.metrics}
    assert "log_loss" not in run.data.metrics
    assert run.data.metrics["holdout_log_loss"] == pytest.approx(np.log(3))
    assert project.sync() == 0
    project.train()
    (parent,) = project.line.runs("member")
    assert parent.data.metrics["oof_log_loss"] == pytest.approx(np.log(3))  # of the folds alone
    assert len(project.line.runs()) == 4
    assert project.sync() == 0
