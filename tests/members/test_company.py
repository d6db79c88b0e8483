"""Heads that are trained in one go with those of other folds and seeds learn what they would learn alone."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from prefens.data.corpus import Corpus
from prefens.data.folds import FoldSettings, make_folds, prompt_groups
from prefens.errors import CollapseError, ConfigError
from prefens.fold_runs import Trainer
from prefens.members import company
from prefens.members.base import Context
from prefens.members.encoder import EncoderMember
from prefens.modeling.heads import HeadKind, HeadSettings
from prefens.modeling.pairing import Pairing, PairingSettings
from prefens.modeling.pooling import Pooling
from prefens.records import Folds, Pairs
from prefens.text.settings import TextSettings
from prefens.tracking.member_spec import MemberSpec
from prefens.tracking.oof_store import OOFStore
from prefens.tracking.tracker import NoTracker
from prefens.training.examples import Examples
from prefens.training.settings import GuardSettings, Mode, Save, Schedule, Swap, TrainingSettings
from prefens.training.together import HeadRun, TrainedHead, train_together
from tests.examples import make_pairs, write_csv
from tests.test_end_to_end import prefens

COUNT = 60
HEADS = [
    *(HeadSettings(kind, hidden=8, dropout=0.0) for kind in HeadKind if kind is not HeadKind.cnn),
    HeadSettings(hidden=8, dropout=0.0, style=True, pooling=Pooling.max_mean),
]
PLAIN = TrainingSettings(
    Mode.frozen, head_lr=1e-2, epochs=2, batch_pairs=8, token_budget=600, together=True, save=Save.fp32
)
EVERY_OPTION = replace(PLAIN, swap=Swap.random, ema=0.5, label_smoothing=0.05, weight_decay=0.1, clip=0.5)


def member_on(
    path: Path,
    training: TrainingSettings = PLAIN,
    head: HeadSettings = HEADS[0],
    pairing: Pairing = Pairing.siamese,
) -> EncoderMember:
    text, paired = TextSettings(max_length=64), PairingSettings(pairing)
    return EncoderMember("hub/tiny", text, paired, head, training, path=str(path))


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many heads each training in company had."""
    found: list[int] = []

    def counted(runs: Sequence[HeadRun], settings: TrainingSettings) -> list[TrainedHead | None]:
        found.append(len(runs))
        return train_together(runs, settings)

    monkeypatch.setattr(company, "train_together", counted)
    return found


def fold_runs(seeds: list[int], folds: Folds, pairs: Pairs, cache: Path) -> list[tuple[Pairs, Context]]:
    """Return the trainings of all folds and seeds, as a sweep gives them to each."""
    made: list[tuple[Pairs, Context]] = []
    for seed in seeds:
        for fold in folds:
            inner = np.zeros(len(fold.train), dtype=np.int8)
            context = Context(100 * seed + fold.index, inner, cache, key=f"{seed} {fold.index}")
            made.append((pairs.take(fold.train), replace(context, company=lambda: made)))
    return made


@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.kind.name}-{head.pooling.name}")
@pytest.mark.parametrize("pairing", Pairing)
def test_a_head_learns_in_company_what_it_learns_alone(
    tiny_bert: Path, tmp_path: Path, head: HeadSettings, pairing: Pairing, counts: list[int]
) -> None:
    pairs = make_pairs(COUNT)
    runs = fold_runs([1, 2], make_folds(pairs, FoldSettings(k=3)), pairs, tmp_path)
    for train, context in runs:
        members = [
            member_on(tiny_bert, replace(EVERY_OPTION, together=together), head, pairing) for together in (True, False)
        ]
        found, alone = (member.fit(train, None, context) for member in members)
        np.testing.assert_allclose(found.curves["train_loss"], alone.curves["train_loss"], rtol=1e-4)
        np.testing.assert_allclose(*(member.predict_proba(pairs) for member in members), atol=1e-4)
        assert found.facts["heads_beside"] == len(runs) - 1
    assert counts == [len(runs)]


def test_dropout_is_drawn_for_each_head(tiny_bert: Path, tmp_path: Path) -> None:
    """Two heads of one seed on the same pairs begin as one, and part."""
    pairs = make_pairs(COUNT)
    twin = pairs.take(np.arange(COUNT))
    inner = np.zeros(COUNT, dtype=np.int8)
    both = [(twin, Context(5, inner, tmp_path, key=key)) for key in ("one", "other")]
    head = replace(HEADS[0], dropout=0.5)
    members = [member_on(tiny_bert, head=head) for _ in both]
    for member, (train, context) in zip(members, both, strict=True):
        member.fit(train, None, replace(context, company=lambda: both))
    one, other = (member.predict_proba(pairs) for member in members)
    assert 1e-4 < np.abs(one - other).max() < 0.5


def test_heads_go_together_where_their_epochs_are_alike(tiny_bert: Path, tmp_path: Path, counts: list[int]) -> None:
    """Three epochs of two steps are as many steps as two epochs of three, which swap other pairs."""
    pairs, training = make_pairs(COUNT), replace(EVERY_OPTION, batch_pairs=20, epochs=1, min_steps=6)
    inner = np.zeros(COUNT, dtype=np.int8)
    runs = [(pairs.take(np.arange(size)), Context(size, inner[:size], tmp_path, key=f"{size}")) for size in (40, 60)]
    for train, context in runs:
        found, alone = (
            member_on(tiny_bert, replace(training, together=together)).fit(
                train, None, replace(context, company=lambda: runs)
            )
            for together in (True, False)
        )
        np.testing.assert_allclose(found.curves["train_loss"], alone.curves["train_loss"], rtol=1e-4)
    assert counts == []


def test_company_is_prepared_when_it_is_trained(
    tiny_bert: Path, tmp_path: Path, counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more of it than is trained in one go, and none of it for a head that waits."""
    monkeypatch.setattr(company, "LARGEST", 3)
    pairs = make_pairs(COUNT)
    runs = fold_runs([1, 2], make_folds(pairs, FoldSettings(k=3)), pairs, tmp_path)
    prepared: list[str] = []

    def others() -> Iterator[tuple[Pairs, Context]]:
        for train, context in runs[1:]:
            prepared.append(context.key)
            yield train, context

    for train, context in runs[:3]:
        member_on(tiny_bert).fit(train, None, replace(context, company=others))
        assert prepared == ["1 1", "1 2"]
    assert counts == [3]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_head_that_read_the_texts_goes_with_others(tiny_bert: Path, tmp_path: Path, counts: list[int]) -> None:
    """Its model is on the GPU already, where theirs are not."""
    pairs = make_pairs(COUNT)
    runs = fold_runs([1], make_folds(pairs, FoldSettings(k=3)), pairs, tmp_path)
    member_on(tiny_bert).fit(runs[0][0], None, runs[0][1])
    assert counts == [3]


def heads_of(path: Path, cache: Path, training: TrainingSettings, lame: int | None = None) -> list[TrainedHead | None]:
    """Train three heads together, of which one may begin with weights that are no numbers."""
    pairs, runs = make_pairs(COUNT), []
    for entropy in range(3):
        member = member_on(path, training)
        model, inputs, rows = member._begin(pairs, Context(entropy, np.zeros(COUNT, dtype=np.int8), cache))
        if entropy == lame:
            with torch.no_grad():
                next(model.parameters()).fill_(float("nan"))
        runs.append(HeadRun(model, Examples(inputs, rows, pairs.labels, 0, model.both), entropy))
    return train_together(runs, training)


def test_a_head_that_fails_leaves_the_others_alone(tiny_bert: Path, tmp_path: Path) -> None:
    whole, broken = (heads_of(tiny_bert, tmp_path, PLAIN, lame) for lame in (None, 1))
    assert broken[1] is None
    for place in (0, 2):
        before, after = whole[place], broken[place]
        assert before is not None
        assert after is not None
        np.testing.assert_array_equal(after.curve, before.curve)


class OneSpec:
    """Three folds of pairs in a store, and the member of each seed."""

    def __init__(self, root: Path) -> None:
        pairs = make_pairs(COUNT)
        self.pairs = pairs.take(np.argsort(pairs.ids))
        self.folds = make_folds(self.pairs, FoldSettings(k=3))
        self.split = OOFStore(root).put_folds(self.folds)
        self.root = root

    def spec(self, seed: int) -> MemberSpec:
        target = "prefens.members.encoder.EncoderMember"
        return MemberSpec("tiny", target, {}, seed, self.folds.data_digest, self.folds.digest)

    def trainer(self, jobs: list[tuple[int, int | None]], force: bool = False) -> Trainer:
        corpus = Corpus(self.pairs, self.folds, prompt_groups(self.pairs), None)
        return Trainer(corpus, self.split, NoTracker(), self.root, force, jobs=jobs)


def test_the_first_job_trains_the_heads_of_all(tiny_bert: Path, tmp_path: Path, counts: list[int]) -> None:
    """Every fold run is stored in its own turn; what is finished is not trained again."""
    at = OneSpec(tmp_path)
    at.trainer([]).train_member(at.spec(3), lambda: member_on(tiny_bert), [1])
    assert counts == []
    trainer = at.trainer([(1, None), (2, None), (3, 0), (3, 1)])
    for seed, folds in ((1, range(3)), (2, range(3)), (3, range(2))):
        rows = trainer.train_member(at.spec(seed), lambda: member_on(tiny_bert), folds)
        assert [row["fold"] for row in rows] == list(folds)
        assert at.split.finished_folds(at.spec(seed)) == list(folds)
    assert counts == [7]


def test_what_was_trained_before_keeps_no_company(
    tiny_bert: Path, tmp_path: Path, counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even by force, which trains again what is finished: nobody would ask for it."""
    monkeypatch.setattr(company, "LARGEST", 4)
    at = OneSpec(tmp_path)
    trainer = at.trainer([(1, None), (2, None)], force=True)
    for seed in (1, 2):
        trainer.train_member(at.spec(seed), lambda: member_on(tiny_bert), range(3))
    assert counts == [4, 2]
    assert not any(company._waiting.values())


def test_what_learns_nothing_is_told_in_its_own_turn(tiny_bert: Path, tmp_path: Path) -> None:
    at, hopeless = OneSpec(tmp_path), replace(PLAIN, head_lr=1e-12, guard=GuardSettings(min_pairs=1))
    trainer = at.trainer([(1, None), (2, None)])
    for seed in (1, 2):
        with pytest.raises(CollapseError, match="nothing is learned"):
            trainer.train_member(at.spec(seed), lambda: member_on(tiny_bert, hopeless), range(3))


def test_memory_that_runs_out_halves_the_company(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def narrow(runs: Sequence[HeadRun], settings: TrainingSettings) -> list[TrainedHead | None]:
        if len(runs) > 2:
            raise torch.OutOfMemoryError
        return train_together(runs, settings)

    monkeypatch.setattr(company, "train_together", narrow)
    at = OneSpec(tmp_path)
    rows = at.trainer([(1, None)]).train_member(at.spec(1), lambda: member_on(tiny_bert), range(3))
    assert len(rows) == 3
    assert "no memory for 3 heads" in caplog.text


@pytest.mark.parametrize(
    ("head", "training"),
    [
        (HEADS[0], replace(PLAIN, mode=Mode.full)),
        (replace(HEADS[0], pooling=Pooling.attention), PLAIN),
        (HEADS[0], replace(PLAIN, schedule=Schedule.plateau)),
    ],
    ids=["all weights", "learned pooling", "inner split"],
)
def test_what_can_not_be_trained_in_company_is_refused(
    tiny_bert: Path, head: HeadSettings, training: TrainingSettings
) -> None:
    with pytest.raises(ConfigError, match=r"leave training\.together at null"):
        member_on(tiny_bert, training, head).fit(make_pairs(COUNT), None, Context(0, np.zeros(COUNT, dtype=np.int8)))


@pytest.mark.slow
def test_a_sweep_trains_the_heads_of_its_seeds_in_one_go(tiny_bert: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", make_pairs(COUNT))
    settings = "backbone=hub backbone.name=tiny text.max_length=64 folds.k=3 training=frozen training.together=true"
    given = f"data.path=train.csv tracking=none tracking.root=runs {settings} head.hidden=8,9 seed=1,2 fold=0,1".split()
    prefens("train", "-m", *given, f"backbone.path={tiny_bert}", cwd=tmp_path)
    facts = [json.loads(path.read_text())["facts"] for path in tmp_path.glob("runs/**/run.json")]
    assert [each["heads_beside"] for each in facts] == [3] * 8
