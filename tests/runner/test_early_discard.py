"""Early discarding in the trainer: a member that adds nothing ends with its first fold, one that does has them all."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from prefens.core.types import Floats, Pairs
from prefens.data.corpus import Corpus, make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.sources import SyntheticSource
from prefens.members.base import Context, FitReport, Member
from prefens.runner.sweep_status import split_statuses
from prefens.runner.trainer import Trainer
from prefens.store.fold_status import FoldState, read_fold_status
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from prefens.store.tracking.tracker import NoTracker, Tracker
from tests.helpers.commands import prefens
from tests.helpers.trackers import guarded


@dataclass
class Told(Member):
    """Says what it was told, by id: a share of the truth, the rest of the class prior."""

    truth: dict[str, Floats]
    share: float

    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        return FitReport()

    def predict_proba(self, pairs: Pairs) -> Floats:
        known = np.array([self.truth[id_] for id_ in pairs.ids])
        return self.share * known + (1 - self.share) / 3

    def save(self, directory: Path) -> None:
        (directory / "share.txt").write_text(str(self.share))

    @classmethod
    def load(cls, directory: Path, backbones: Sequence[Path] = ()) -> Self:
        raise NotImplementedError


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return make_corpus(SyntheticSource(rows=600, verbosity=2.0), FoldSettings())


@dataclass
class Sweep:
    """Members that are told more or less of the truth, in one store."""

    corpus: Corpus
    split: SplitStore
    root: Path
    tracker: Tracker

    def spec(self, name: str) -> MemberSpec:
        return MemberSpec(name, "x", {}, 0, self.corpus.folds.data_digest, self.corpus.folds.digest)

    def train(self, name: str, share: float, folds: Sequence[int] = range(5), **settings: Any) -> list[int]:
        truth = self.corpus.folds.truth
        assert truth is not None
        known = dict(zip(self.corpus.folds.ids, truth[:, 0], strict=True))
        trainer = Trainer(self.corpus, self.split, self.tracker, self.root, **settings)
        results = trainer.train_member(self.spec(name), lambda: Told(known, share), folds)
        return [result.fold for result in results]


@pytest.fixture
def sweep(corpus: Corpus, tmp_path: Path) -> Sweep:
    return Sweep(corpus, OOFStore(tmp_path).put_folds(corpus.folds), tmp_path, NoTracker())


def test_only_a_member_that_can_help_has_all_its_folds(sweep: Sweep) -> None:
    assert sweep.train("first", 0.3, early_discard=0.01) == [0, 1, 2, 3, 4]  # there is nobody to compare it with
    assert sweep.train("useless", 0.1, early_discard=0.01) == [0]
    assert sweep.train("useful", 1.0, early_discard=0.01) == [0, 1, 2, 3, 4]
    assert sweep.train("useless", 0.1, early_discard=0.01) == [0]  # the verdict stays
    (found,) = split_statuses(sweep.root)
    folds = found.members[sweep.spec("useless").name]
    assert [fold.state for fold in folds] == [FoldState.done, *[FoldState.discarded] * 4]
    assert "early_discard=0.01" in folds[1].note
    assert found.count(FoldState.missing) == 0
    assert found.seconds_left() == 0.0


@pytest.mark.parametrize("settings", [{"early_discard": None}, {"early_discard": 1e-9}])
def test_a_discarded_member_is_trained_without_the_setting_or_by_less(sweep: Sweep, settings: dict[str, Any]) -> None:
    sweep.train("first", 0.3)
    assert sweep.train("late", 0.5, early_discard=0.5) == [0]
    assert sweep.train("late", 0.5, **settings) == [0, 1, 2, 3, 4]
    (found,) = split_statuses(sweep.root)
    assert found.count(FoldState.done) == 10


def test_by_force_the_member_is_compared_again(sweep: Sweep) -> None:
    sweep.train("first", 0.3)
    assert sweep.train("late", 0.1, early_discard=0.01) == [0]
    verdict = sweep.split.member_dir(sweep.spec("late").name) / "early_discard.json"
    before = json.loads(verdict.read_text())
    assert before["discarded"]
    assert sweep.train("late", 1.0, early_discard=0.01, force=True) == [0, 1, 2, 3, 4]
    after = json.loads(verdict.read_text())
    assert after["gain"] > before["gain"]
    assert not after["discarded"]


def test_a_damaged_verdict_is_found_again(sweep: Sweep) -> None:
    sweep.train("first", 0.3)
    assert sweep.train("late", 0.1, early_discard=0.01) == [0]
    verdict = sweep.split.member_dir(sweep.spec("late").name) / "early_discard.json"
    whole = verdict.read_text()
    verdict.write_text(whole[:20])
    assert sweep.train("late", 0.1, early_discard=0.01) == [0]
    assert json.loads(verdict.read_text()) | {"time": 0} == json.loads(whole) | {"time": 0}


def test_the_verdict_is_that_of_the_latest_command(sweep: Sweep) -> None:
    sweep.train("first", 0.3)
    assert sweep.train("late", 0.5, early_discard=1e-9, folds=[0]) == [0]
    assert sweep.train("late", 0.5, early_discard=1e-9, folds=[0, 1]) == [0, 1]  # it stays
    assert sweep.train("late", 0.5, early_discard=0.5) == [0, 1]
    (found,) = split_statuses(sweep.root)
    assert found.count(FoldState.discarded) == 3
    assert sweep.train("late", 0.5, early_discard=1e-9, folds=[2]) == [2]
    (found,) = split_statuses(sweep.root)
    assert (found.count(FoldState.discarded), found.count(FoldState.missing)) == (0, 2)


@pytest.mark.parametrize("whose", ["late", "first"])
@pytest.mark.parametrize("name", ["run.json", "predictions.parquet", "../member.json"])
def test_what_is_damaged_is_not_compared_and_is_trained_again(sweep: Sweep, whose: str, name: str) -> None:
    sweep.train("first", 0.3)
    assert sweep.train("late", 0.5, folds=[0]) == [0]
    path = sweep.split.fold_dir(sweep.spec(whose).name, 0) / name
    path.write_bytes(path.read_bytes()[:20])
    assert sweep.train("late", 0.5, early_discard=1e-9, folds=[0, 1]) == [0, 1]
    if whose == "first":
        sweep.train("first", 0.3)
    assert all(read_fold_status(sweep.split, sweep.spec(member), 0).finished for member in ("first", "late"))


def test_the_verdict_and_its_numbers_are_logged(sweep: Sweep) -> None:
    tracker = MlflowTracker(sweep.root, "prefens")
    sweep.tracker = guarded(lambda: tracker, sweep.root)

    def run_of(name: str) -> Any:
        member = sweep.spec(name).key(0).member_digest
        condition = f"tags.`prefens.member` = '{member}' and tags.`prefens.role` = 'member'"
        (run,) = tracker.client.search_runs([tracker.experiment_id], condition)
        return run

    sweep.train("first", 0.3, early_discard=0.01)
    sweep.train("late", 0.1, early_discard=0.01)
    run = run_of("late")
    assert run.info.status == "FINISHED"
    assert run.data.tags["prefens.early_discard"] == "discarded"
    assert run.data.tags["mlflow.note.content"].startswith("Discarded after its first fold")
    gain, high, threshold = (run.data.metrics[f"early_discard_{name}"] for name in ("gain", "high", "threshold"))
    assert 0 <= gain <= high < threshold
    sweep.train("late", 0.1)  # without the setting
    run = run_of("late")
    assert (run.info.status, run.data.tags.get("prefens.early_discard")) == ("FINISHED", None)
    assert run.data.tags["mlflow.note.content"].startswith("Out-of-fold log loss")


@pytest.mark.slow
def test_the_command_discards_and_refuses_nonsense(tmp_path: Path) -> None:
    common = ["data=synthetic", "data.rows=150", "tracking=none", "backbone.strengths=[0.1]"]
    prefens("train", *common, "backbone=style", cwd=tmp_path)
    told = prefens("train", *common, "backbone=style", "early_discard=0.5", "seed=1", cwd=tmp_path)
    assert "is discarded early" in told.stdout + told.stderr
    assert len(json.loads((tmp_path / "runs" / "train.json").read_text())["runs"]) == 1
    shown = prefens("status", cwd=tmp_path).stdout
    assert "discarded early: style" in shown
    assert "4 discarded early" in shown
    refused = prefens("train", *common, "backbone=style", "early_discard=0", cwd=tmp_path, fails=True)
    assert "above 0" in refused.stderr
    renamed = prefens("train", *common, "backbone=style", "race=0.5", cwd=tmp_path, fails=True)
    assert "early_discard=0.5" in renamed.stderr
