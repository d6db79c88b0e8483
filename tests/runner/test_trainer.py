"""A collapsed fold run is marked, is left as it is by a plain rerun, and is trained again by force."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from prefens.core.errors import CollapseError, TrainingError
from prefens.core.files import write_json
from prefens.core.leases.leases import Holder, fold_lease
from prefens.core.leases.processes import ProcessIdentity
from prefens.core.types import Pairs
from prefens.data.corpus import Corpus
from prefens.data.folds import prompt_groups
from prefens.data.text.settings import TextSettings
from prefens.members.base import Context, FitReport
from prefens.members.encoder import EncoderMember
from prefens.members.training.settings import GuardSettings, TrainingSettings
from prefens.runner.sweep_status import split_statuses
from prefens.runner.trainer import Trainer
from prefens.store.failures import failure_of
from prefens.store.fold_status import FoldState
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import folds_of

FITTED: list[int] = []


class Counted(EncoderMember):
    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        FITTED.append(len(train))
        return super().fit(train, valid, context)


def trainer(pairs: Pairs, root: Path, force: bool = False) -> Trainer:
    folds = folds_of(pairs, k=3)
    corpus = Corpus(pairs, folds, prompt_groups(pairs), None)
    return Trainer(corpus, OOFStore(root).put_folds(folds), NoTracker(), root, force)


def member(path: Path, lr: float) -> EncoderMember:
    training = TrainingSettings(
        lr=lr, head_lr=lr, batch_pairs=4, epochs=1, guard=GuardSettings(0), checkpoint_minutes=0
    )
    return Counted("bert", path=str(path), text=TextSettings(max_length=48), training=training)


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
        with pytest.raises(CollapseError, match=f"{spec.name} fold 1 has collapsed: .*nothing is learned") as told:
            trainer(pairs, tmp_path).train_member(spec, lambda: member(tiny_bert, 1e-12), folds)
        assert isinstance(told.value, TrainingError)
        assert "force=true" in told.value.do
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
