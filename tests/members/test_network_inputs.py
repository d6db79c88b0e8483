"""Heads on a frozen encoder: it runs once, a fold's bits don't depend on other folds, and only the head is stored."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from prefens.core.errors import ConfigError
from prefens.core.types import Floats
from prefens.data.corpus import Corpus
from prefens.data.folds import FoldSettings, make_folds, prompt_groups
from prefens.data.text.settings import TextSettings
from prefens.members.base import Context
from prefens.members.encoder import EncoderMember
from prefens.members.nn import frozen_encoder
from prefens.members.nn.frozen_encoder import FrozenEncoder
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.nn.pooling import Pooling
from prefens.members.training import loop
from prefens.members.training.settings import Mode, Save, TrainingSettings
from prefens.runner.trainer import Trainer
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import make_pairs
from tests.helpers.stores import damage

COUNT = 60
HEADS = [
    *(HeadSettings(hidden=8, pooling=pooling) for pooling in Pooling),
    HeadSettings(HeadKind.cnn, pooling=Pooling.mean, hidden=8, filters=4),
    HeadSettings(HeadKind.mlp, pooling=Pooling.mean, hidden=8, style=True),
]


def member_on(path: Path, head: HeadSettings = HEADS[0]) -> EncoderMember:
    training = TrainingSettings(
        mode=Mode.frozen, head_lr=1e-2, epochs=2, batch_pairs=8, token_budget=600, save=Save.fp32
    )
    return EncoderMember("hub/tiny", path=str(path), text=TextSettings(max_length=64), head=head, training=training)


def context_of(cache: Path | None, seed: int = 7) -> Context:
    return Context(seed=seed, inner=(np.arange(COUNT) % 5).astype(np.int8), cache=cache)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The directories of the encoders that are loaded during a test."""
    directories: list[Path] = []
    load = frozen_encoder.load_encoder
    monkeypatch.setattr(frozen_encoder, "load_encoder", lambda path, form: directories.append(path) or load(path, form))
    return directories


@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.kind.name}-{head.pooling.name}")
@pytest.mark.parametrize("cached", [True, False])
def test_what_is_loaded_predicts_what_was_trained(
    tiny_bert: Path, tmp_path: Path, head: HeadSettings, cached: bool
) -> None:
    assert_same_after_loading(tiny_bert, tmp_path, head, cached)


@pytest.mark.parametrize("head", [HEADS[0], HEADS[4]], ids=["pooled", "states"])
def test_every_family_is_loaded_as_it_was_trained(tiny_encoder: Path, tmp_path: Path, head: HeadSettings) -> None:
    assert_same_after_loading(tiny_encoder, tmp_path, head, cached=True)


def assert_same_after_loading(encoder: Path, tmp_path: Path, head: HeadSettings, cached: bool) -> None:
    pairs, member, model = make_pairs(COUNT), member_on(encoder, head), tmp_path / "model"
    member.fit(pairs, None, context_of(tmp_path / "cache" if cached else None))
    model.mkdir()
    member.save(model)
    style = {"style_inputs.safetensors"} if head.style else set()
    assert {path.name for path in model.iterdir()} == {"settings.json", "backbone.json", "model.safetensors"} | style
    weights = load_file(model / "model.safetensors")
    assert all(name.startswith("head.") for name in weights)
    assert all(weight.any() for weight in weights.values())  # those of the last layer have left zero
    again = EncoderMember.load(model)
    np.testing.assert_allclose(again.predict_proba(pairs), member.predict_proba(pairs), atol=1e-6)
    again.save(model)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.kind.name}-{head.pooling.name}")
def test_cached_features_change_nothing(tiny_bert: Path, tmp_path: Path, head: HeadSettings) -> None:
    """A head that reads features predicts what the same head on the encoder itself does."""
    pairs, member = make_pairs(COUNT), member_on(tiny_bert, head)
    member.fit(pairs, None, context_of(tmp_path))
    assert member.model is not None
    assert member.reader is not None
    tokens, rows = member.reader.read(pairs)
    whole = loop.predict(member.model, tokens, rows, 600, member.reader.padding)
    np.testing.assert_allclose(member.predict_proba(pairs), whole, atol=1e-5)


def test_the_encoder_is_loaded_once_for_all_folds_and_seeds(tiny_bert: Path, tmp_path: Path, loads: list[Path]) -> None:
    pairs = make_pairs(COUNT)
    for seed in (1, 2):
        for fold in range(3):
            member = member_on(tiny_bert)
            rows = np.flatnonzero(np.arange(COUNT) % 3 != fold)
            member.fit(pairs.take(rows), None, replace(context_of(tmp_path, seed), inner=np.zeros(len(rows), "i1")))
            member.predict_proba(pairs.take(np.flatnonzero(np.arange(COUNT) % 3 == fold)))
    assert loads == [tiny_bert]
    member_on(tiny_bert).fit(make_pairs(COUNT), None, context_of(tmp_path))  # another process finds the file
    assert loads == [tiny_bert]
    member_on(tiny_bert, HeadSettings(hidden=8, pooling=Pooling.cls)).fit(pairs, None, context_of(tmp_path))
    assert len(loads) == 2
    other = make_pairs(COUNT, seed=1)
    member_on(tiny_bert).fit(other, None, context_of(tmp_path))
    assert len(loads) == 3


@pytest.mark.parametrize("head", [HEADS[0], HEADS[4]], ids=["pooled", "states"])
def test_a_loaded_model_loads_its_encoder_once(
    tiny_bert: Path, tmp_path: Path, loads: list[Path], head: HeadSettings
) -> None:
    """A server keeps its models and is asked again and again."""
    member, model = member_on(tiny_bert, head), tmp_path / "model"
    member.fit(make_pairs(COUNT), None, context_of(None))
    model.mkdir()
    member.save(model)
    again = EncoderMember.load(model)
    loads.clear()
    for seed in range(3):
        again.predict_proba(make_pairs(4, seed=seed))
    assert loads == [tiny_bert]


def test_settings_of_the_encoders_training_have_no_effect(tiny_bert: Path) -> None:
    pairs, plain, other = make_pairs(COUNT), member_on(tiny_bert), member_on(tiny_bert)
    other.training = replace(other.training, lr=1.0, layer_decay=0.5, gradient_checkpointing=True)
    for member in (plain, other):
        member.fit(pairs, None, context_of(None))
    np.testing.assert_array_equal(plain.predict_proba(pairs), other.predict_proba(pairs))


def oof(path: Path, root: Path, folds: list[int]) -> dict[int, Floats]:
    pairs = make_pairs(COUNT)
    pairs = pairs.take(np.argsort(pairs.ids))
    assigned = make_folds(pairs, FoldSettings(k=3))
    split = OOFStore(root).put_folds(assigned)
    trainer = Trainer(Corpus(pairs, assigned, prompt_groups(pairs), None), split, NoTracker(), root)
    spec = MemberSpec("tiny", "encoder", {}, 0, assigned.data_digest, assigned.digest)
    trainer.train_member(spec, lambda: member_on(path), folds)
    return {fold: split.predictions(spec, fold).probabilities for fold in folds}


def test_a_fold_has_the_same_bits_alone_and_with_others(tiny_bert: Path, tmp_path: Path) -> None:
    together = oof(tiny_bert, tmp_path / "together", [0, 1, 2])
    for fold in (2, 0, 1):
        alone = oof(tiny_bert, tmp_path / f"alone-{fold}", [fold])
        np.testing.assert_array_equal(alone[fold], together[fold])


def fit_and_predict(path: Path, cache: Path) -> Floats:
    member = member_on(path)
    member.fit(make_pairs(COUNT), None, context_of(cache))
    return member.predict_proba(make_pairs(COUNT))


@pytest.mark.slow
def test_two_processes_at_once_leave_one_file(tiny_bert: Path, tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        first, second = pool.map(fit_and_predict, [tiny_bert] * 2, [tmp_path] * 2)
    np.testing.assert_array_equal(first, second)
    assert len(list((tmp_path / "encoder_features").glob("*.npy"))) == 1


@pytest.mark.parametrize("how", ["truncated", "flipped"])
def test_a_damaged_file_is_made_again(
    tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    first = fit_and_predict(tiny_bert, tmp_path)
    (path,) = (tmp_path / "encoder_features").glob("*.npy")
    damage(path, how)
    np.testing.assert_array_equal(fit_and_predict(tiny_bert, tmp_path), first)
    assert "is damaged" in caplog.text


def test_a_full_disk_costs_the_file_alone(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fit_and_predict(tiny_bert, tmp_path / "kept")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    np.testing.assert_array_equal(fit_and_predict(tiny_bert, tmp_path / "full"), first)
    assert not list((tmp_path / "full" / "encoder_features").glob("*.npy"))


def test_more_states_than_a_disk_should_hold_are_refused(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefens.members.training.precompute.MAX_STATES_BYTES", 1000)
    fit_and_predict(tiny_bert, tmp_path)
    with pytest.raises(ConfigError, match=r"head\.pooling=attention"):
        member_on(tiny_bert, HeadSettings(pooling=Pooling.attention)).fit(make_pairs(COUNT), None, context_of(tmp_path))


def test_the_encoder_is_no_part_of_the_model(tiny_bert: Path) -> None:
    encoder = FrozenEncoder(tiny_bert)
    assert not list(encoder.parameters())
    assert not encoder.state_dict()
