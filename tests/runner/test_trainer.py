"""A collapsed fold run is trained again only by force; a full fit resumes, and no hold-out row touches it."""

import shutil
from dataclasses import asdict, replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from prefens.core import shutdown
from prefens.core.errors import CollapseError, StoreError, TrainingError
from prefens.core.files import write_json
from prefens.core.fold_run import FoldPredictions
from prefens.core.leases.leases import Holder, fold_lease
from prefens.core.leases.processes import ProcessIdentity
from prefens.core.metrics import log_loss
from prefens.core.shutdown import Stopped
from prefens.core.types import Folds, Pairs
from prefens.data.corpus import Corpus
from prefens.data.folds import prompt_groups
from prefens.data.text.settings import TextSettings
from prefens.members.base import Context, FitReport
from prefens.members.encoder import EncoderMember
from prefens.members.nn.pair_model import pair_batch
from prefens.members.style import StyleMember
from prefens.members.training import loop
from prefens.members.training.settings import GuardSettings, TrainingSettings
from prefens.runner.console import fold_table, status_notes, status_table
from prefens.runner.sweep_status import split_statuses
from prefens.runner.trainer import Trainer
from prefens.store.failures import failure_of, note_failure
from prefens.store.fold_status import FoldState
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import folds_of, make_pairs
from tests.helpers.stores import damage

FITTED: list[int] = []


class Counted(EncoderMember):
    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        FITTED.append(len(train))
        return super().fit(train, valid, context)


def trainer(pairs: Pairs, root: Path, force: bool = False) -> Trainer:
    folds = folds_of(pairs, k=3)
    corpus = Corpus(pairs, folds, prompt_groups(pairs), None)
    return Trainer(corpus, OOFStore(root).put_folds(folds), NoTracker(), root, force)


def member(path: Path, lr: float, guard: int = 0) -> EncoderMember:
    training = TrainingSettings(
        lr=lr, head_lr=lr, batch_pairs=4, epochs=1, guard=GuardSettings(guard), checkpoint_minutes=0
    )
    return Counted("bert", path=str(path), text=TextSettings(max_length=48), training=training)


def test_a_spent_budget_lets_each_start_store_a_fold(pairs: Pairs, tmp_path: Path) -> None:
    """Where another process of the sweep has stored one, it stops at once."""
    whole, parts = trainer(pairs, tmp_path / "whole"), trainer(pairs, tmp_path / "parts")
    spec = MemberSpec("style", "x", {}, 0, whole.split.folds.data_digest, whole.split.folds.digest)
    whole.train_member(spec, lambda: StyleMember("style"), [0, 1, 2])
    try:
        for stored in (1, 2):
            shutdown.set_deadline(1.0)
            with pytest.raises(Stopped):
                parts.train_member(spec, lambda: StyleMember("style"), [0, 1, 2])
            assert len(parts.split.finished_folds(spec)) == stored
        shutdown.set_deadline(1.0, kept=True)
        with pytest.raises(Stopped):
            parts.train_member(spec, lambda: StyleMember("style"), [0, 1, 2])
        assert len(parts.split.finished_folds(spec)) == 2
        shutdown.set_deadline(1.0)
        parts.train_member(spec, lambda: StyleMember("style"), [0, 1, 2])
    finally:
        shutdown.set_deadline(None)
    for fold in range(3):
        own, other = (each.split.predictions(spec, fold).probabilities for each in (parts, whole))
        np.testing.assert_array_equal(own, other)


def test_a_collapsed_fold_is_trained_again_only_by_force(pairs: Pairs, tiny_bert: Path, tmp_path: Path) -> None:
    split: SplitStore = trainer(pairs, tmp_path).split
    spec = MemberSpec("bert", "x", {}, 0, split.folds.data_digest, split.folds.digest)
    FITTED.clear()
    with pytest.raises(CollapseError, match="nothing is learned"):
        trainer(pairs, tmp_path).train_member(spec, lambda: member(tiny_bert, 1e-12), [1])
    assert len(FITTED) == 1
    failure = failure_of(split.fold_dir(spec.name, 1))
    assert failure is not None
    assert failure.collapsed
    assert not list((tmp_path / "checkpoints").glob("*"))
    assert split_statuses(tmp_path)[0].members[spec.name][1].state is FoldState.collapsed
    for folds in ([1], [0, 1, 2]):
        with pytest.raises(CollapseError, match=f"{spec.name} fold 1 has collapsed: .*nothing is learned") as refused:
            trainer(pairs, tmp_path).train_member(spec, lambda: member(tiny_bert, 1e-12), folds)
        assert isinstance(refused.value, TrainingError)
        assert "force=true" in refused.value.do
    assert len(FITTED) == 1
    assert split.finished_folds(spec) == []
    results = trainer(pairs, tmp_path, force=True).train_member(spec, lambda: member(tiny_bert, 3e-3), [1])
    assert [result.trained for result in results] == [True]
    assert failure_of(split.fold_dir(spec.name, 1)) is None
    assert trainer(pairs, tmp_path).train_member(spec, lambda: member(tiny_bert, 3e-3), [1])[0].trained is False
    killed = replace(ProcessIdentity.current(), started=5.0)  # after it had stored the fold
    write_json(fold_lease(tmp_path, spec.key(1)), asdict(Holder(killed, 0.0)))
    checkpoint = tmp_path / "checkpoints" / f"{spec.key(1).digest[:16]}.pt"
    checkpoint.write_text("gigabytes")
    assert trainer(pairs, tmp_path).train_member(spec, lambda: member(tiny_bert, 3e-3), [1])[0].trained is False
    assert not checkpoint.exists()
    assert not [*tmp_path.glob("locks/*.json")]


@pytest.mark.slow
def test_a_command_whose_fold_has_collapsed_before_fails(tmp_path: Path, tiny_bert: Path) -> None:
    from tests.helpers.commands import prefens
    from tests.helpers.examples import make_pairs, write_csv

    write_csv(tmp_path / "train.csv", make_pairs(60))
    given = (
        f"data.path=train.csv folds.k=3 backbone=bert-base-uncased backbone.path={tiny_bert} text.max_length=48 fold=1 "
        "tracking=none training.guard.min_pairs=0 training.min_steps=0 training.lr=1e-12 training.head_lr=1e-12"
    ).split()
    first, second = (prefens("train", *given, cwd=tmp_path, fails=True) for _ in range(2))
    assert "nothing is learned" in first.stderr
    assert "has collapsed" in second.stderr
    assert "Traceback" not in first.stderr + second.stderr


def held_out_trainer(pairs: Pairs, folds: Folds, root: Path) -> Trainer:
    corpus = Corpus(pairs, folds, prompt_groups(pairs), None)
    return Trainer(corpus, OOFStore(root).put_folds(folds), NoTracker(), root)


def full_run(trainer: Trainer, spec: MemberSpec) -> tuple[dict[str, str], FoldPredictions]:
    """Return the digests of the files of a stored full fit, and its predictions."""
    split = trainer.split
    files = split.record(spec, split.k).files
    return {name: file.sha256 for name, file in files.items()}, split.predictions(spec, split.k)


def test_a_full_fit_goes_on_from_its_checkpoint_and_no_vote_of_the_hold_out_touches_it(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = make_pairs(48)
    folds = folds_of(pairs, k=3, holdout=0.25)
    held_out = np.flatnonzero(~folds.scored)
    spec = MemberSpec("bert", "x", {}, 0, folds.data_digest, folds.digest)
    make = lambda: member(tiny_bert, 3e-3, guard=100)  # noqa: E731
    whole = held_out_trainer(pairs, folds, tmp_path / "whole")
    FITTED.clear()
    result = whole.train_full(spec, make)
    assert result is not None
    assert [folds.scored.sum()] == FITTED
    files, predictions = full_run(whole, spec)
    assert whole.split.fold_dir(spec.name, 3).name == "all"
    assert (len(predictions.ids), predictions.holdout_ids.tolist()) == (0, folds.ids[held_out].tolist())
    own = log_loss(predictions.holdout_probabilities, pairs.labels[held_out])
    assert (result.fold, result.log_loss) == (None, own)
    assert whole.split.finished_folds(spec) == []  # nothing takes it for a fold
    assert whole.train_full(spec, make) == replace(result, trained=False)

    stopped = held_out_trainer(pairs, folds, tmp_path / "stopped")
    begun: list[Any] = []

    def counted(*arguments: Any, **named: Any) -> Any:
        begun.append(arguments)
        return pair_batch(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "pair_batch", counted)
        patched.setattr(shutdown, "requested", lambda *_, **__: Stopped("stop", 143) if len(begun) > 3 else None)
        with pytest.raises(Stopped):
            stopped.train_full(spec, make)
    assert (tmp_path / "stopped" / "checkpoints" / f"{spec.key(3).digest[:16]}.pt").exists()
    assert not stopped.split.has_full(spec.name)
    stopped.train_full(spec, make)
    again, resumed = full_run(stopped, spec)
    assert again == files
    np.testing.assert_array_equal(resumed.holdout_probabilities, predictions.holdout_probabilities)
    assert not [*(tmp_path / "stopped").glob("checkpoints/*"), *(tmp_path / "stopped").glob("locks/*.json")]

    label = pairs.labels.copy()
    label[held_out] = (label[held_out] + 1) % 3
    other = held_out_trainer(replace(pairs, label=label), folds, tmp_path / "other")
    other.train_full(spec, make)
    assert full_run(other, spec)[0] == files
    label[np.flatnonzero(folds.scored)[:5]] = (label[np.flatnonzero(folds.scored)[:5]] + 1) % 3
    touched = held_out_trainer(replace(pairs, label=label), folds, tmp_path / "touched")
    touched.train_full(spec, make)
    assert full_run(touched, spec)[0] != files


def test_a_full_fit_without_a_hold_out_has_no_score_and_its_status_is_shown(pairs: Pairs, tmp_path: Path) -> None:
    made = trainer(pairs, tmp_path)
    spec = MemberSpec("style", "style", {}, 0, made.split.folds.data_digest, made.split.folds.digest)
    make = lambda: StyleMember("style", strengths=[0.1])  # noqa: E731
    results = [*made.train_member(spec, make, range(3)), made.train_full(spec, make)]
    assert [result and result.fold for result in results] == [0, 1, 2, None]
    assert results[3] is not None
    assert (results[3].log_loss, results[3].accuracy) == (None, None)
    assert made.split.predictions(spec, 3).holdout_probabilities.shape == (0, 3)
    (status,) = split_statuses(tmp_path)
    assert len(status.members[spec.name]) == 3
    assert status.full[spec.name].state is FoldState.done
    assert status.count(FoldState.done) == 4
    assert status.as_dict()["full"][spec.name]["log_loss"] is None
    with StringIO() as shown:
        Console(file=shown, width=150).print(fold_table([result for result in results if result is not None]))
        Console(file=shown, width=150).print(status_table(status))
        assert shown.getvalue().count("all") >= 2
        assert "done" in shown.getvalue()
    damage(made.split.fold_dir(spec.name, 3) / "predictions.parquet", "flipped")
    with pytest.raises(StoreError, match="all/predictions") as refused:
        made.split.predictions(spec, 3)
    assert "full=true" in refused.value.do
    healed = made.train_full(spec, make)
    assert healed is not None
    assert healed.trained
    note_failure(made.split.fold_dir(spec.name, 3), ValueError("no good"), 1.0)
    shutil.rmtree(made.split.fold_dir(spec.name, 3))
    (status,) = split_statuses(tmp_path)
    assert status.full[spec.name].state is FoldState.failed
    assert any(f"{spec.name} all: no good" in line for line in status_notes(status))
