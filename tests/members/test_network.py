"""Whole members of every pairing and head, style inputs included: fitted, swapped, stored, loaded."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from prefens.core.errors import ConfigError
from prefens.core.metrics import log_loss
from prefens.core.types import SWAP, Pairs
from prefens.data.synthetic.generator import Effects, generate
from prefens.data.text.settings import TextSettings
from prefens.members.base import Context
from prefens.members.encoder import EncoderMember
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.nn.pairing import Pairing, PairingSettings
from prefens.members.nn.pooling import Pooling
from prefens.members.style_inputs import StyleInputs
from prefens.members.textcnn import TextCnnMember
from prefens.members.training.settings import Save, TrainingSettings
from tests.helpers.examples import column, make_pairs

QUICK = TrainingSettings(lr=1e-3, head_lr=1e-2, epochs=1, batch_pairs=8, token_budget=2000, save=Save.fp32)


def member_of(path: Path, pairing: Pairing, head: HeadSettings) -> EncoderMember:
    text = TextSettings(max_length=64)
    return EncoderMember("tiny", text, PairingSettings(pairing), head, QUICK, path=str(path))


def fit(member: EncoderMember, train: Pairs) -> EncoderMember:
    member.fit(train, None, Context(seed=5, inner=np.zeros(len(train), dtype=np.int8)))
    return member


def small(kind: HeadKind, pooling: Pooling, style: bool) -> HeadSettings:
    return HeadSettings(kind, pooling, hidden=8, style=style, filters=4, widths=[1, 3])


@pytest.mark.parametrize(("pairing", "kind"), list(product(Pairing, HeadKind)))
def test_members_are_symmetric_and_come_back_from_disk(
    tiny_bert: Path, tmp_path: Path, pairing: Pairing, kind: HeadKind
) -> None:
    train, fresh = make_pairs(24), make_pairs(12, seed=1)
    member = fit(member_of(tiny_bert, pairing, small(kind, Pooling.attention, style=True)), train)
    predicted = member.predict_proba(fresh)
    np.testing.assert_allclose(predicted, member.predict_proba(fresh.swapped())[:, SWAP], atol=1e-6)
    assert np.ptp(predicted, axis=0).max() > 1e-3
    member.save(tmp_path)
    again = EncoderMember.load(tmp_path)
    assert (again.pairing, again.head) == (member.pairing, member.head)
    np.testing.assert_allclose(again.predict_proba(fresh), predicted, atol=1e-6)


@pytest.mark.parametrize("pairing", Pairing)
def test_members_of_every_family_are_symmetric(tiny_encoder: Path, pairing: Pairing) -> None:
    member = fit(member_of(tiny_encoder, pairing, small(HeadKind.mlp, Pooling.mean, style=True)), make_pairs(24))
    fresh = make_pairs(12, seed=1)
    predicted, swapped = member.predict_proba(fresh), member.predict_proba(fresh.swapped())
    np.testing.assert_allclose(predicted, swapped[:, SWAP], atol=1e-6)
    # A row alone, whose length no other decides, has the same style features and probabilities.
    alone = np.concatenate([member.predict_proba(fresh.take(np.array([row]))) for row in range(12)])
    np.testing.assert_allclose(member.predict_proba(fresh), alone, atol=1e-5)


def test_a_cross_member_reads_both_responses_in_each_sequence(tiny_bert: Path) -> None:
    train = make_pairs(24)
    siamese, cross = (
        fit(member_of(tiny_bert, pairing, small(HeadKind.linear, Pooling.cls, style=False)), train).reader.read(train)[
            0
        ]
        for pairing in Pairing
    )
    assert (cross.a.lengths > np.maximum(siamese.a.lengths, siamese.b.lengths)).all()
    np.testing.assert_array_equal(cross.a.lengths, cross.b.lengths)


def test_style_is_scaled_by_the_training_rows_alone() -> None:
    pairs = make_pairs(40)
    train = pairs.take(np.arange(20))
    inputs, alone = StyleInputs.fit(train), StyleInputs.fit(train.unlabelled())
    for name, scale in vars(inputs.scaling).items():
        np.testing.assert_array_equal(scale, getattr(alone.scaling, name))
    scaled = inputs.base_features(train)
    assert len(scaled.odd) == 40  # as the tokens: of all pairs that the training rows were taken from
    assert (scaled.odd.shape[1], scaled.even.shape[1]) == inputs.sizes
    assert max(np.abs(scaled.odd).max(), np.abs(scaled.even).max()) <= 1.0
    mirrored = inputs.base_features(pairs.swapped())
    np.testing.assert_allclose(mirrored.odd, -scaled.odd, atol=1e-12)
    np.testing.assert_allclose(mirrored.even, scaled.even, atol=1e-12)


@pytest.mark.parametrize(("pairing", "kind"), list(product(Pairing, HeadKind)))
def test_a_member_that_learns_nothing_gives_the_class_prior_of_its_training_rows(
    tiny_bert: Path, pairing: Pairing, kind: HeadKind
) -> None:
    train, fresh = make_pairs(24), make_pairs(12, seed=1)
    member = member_of(tiny_bert, pairing, small(kind, Pooling.attention, style=True))
    member.training = replace(QUICK, lr=1e-12, head_lr=1e-12)
    counts = np.bincount(train.labels, minlength=3) + 1.0
    prior = (counts + counts[SWAP]) / (2.0 * counts.sum())
    np.testing.assert_allclose(fit(member, train).predict_proba(fresh), np.tile(prior, (12, 1)), atol=1e-6)


def test_style_beyond_what_was_seen_in_training_is_no_more_than_its_edge(tiny_bert: Path) -> None:
    head = small(HeadKind.equivariant, Pooling.mean, style=True)
    member = member_of(tiny_bert, Pairing.siamese, head)
    member.text = TextSettings(max_length=24)  # the encoder reads the same of both
    train = make_pairs(40)
    fit(member, train)
    row = train.take(np.arange(1))
    far, farther = (
        replace(row, response_a=column([("Why? - No! " * times,)]), base=None, rows=None) for times in (300, 30000)
    )
    features = [member.reader.style.base_features(pairs) for pairs in (far, farther)]  # type: ignore[union-attr]
    assert max(np.abs(side).max() for inputs in features for side in (inputs.odd, inputs.even)) <= 1.0
    np.testing.assert_allclose(member.predict_proba(far), member.predict_proba(farther), atol=1e-3)


def test_style_inputs_tell_of_length_what_cut_texts_hide(tiny_bert: Path) -> None:
    """With responses cut to a few tokens, only the style inputs can tell a verbose one."""
    pairs = generate(500, seed=1, effects=Effects(verbosity=3.0, position=0.0, tie=0.5))
    train, fresh = pairs.take(np.arange(400)), pairs.take(np.arange(400, 500))
    losses = []
    for style in (False, True):
        head = HeadSettings(hidden=16, style=style)
        member = member_of(tiny_bert, Pairing.siamese, head)
        member.text, member.training = TextSettings(max_length=24), replace(QUICK, epochs=3)
        losses.append(log_loss(fit(member, train).predict_proba(fresh), fresh.labels))
    assert losses[1] < losses[0] - 0.1


def test_stores_from_before_the_heads_can_be_read(tiny_bert: Path, tmp_path: Path) -> None:
    fresh = make_pairs(12, seed=1)
    member = fit(member_of(tiny_bert, Pairing.siamese, HeadSettings(hidden=8)), make_pairs(24))
    member.save(tmp_path)
    from safetensors.numpy import load_file

    weights = load_file(tmp_path / "model.safetensors")
    heads = {f"head.body.{layer}.{name}" for layer in (1, 4) for name in ("weight", "bias")}
    assert {name for name in weights if not name.startswith("encoder.")} == heads
    path = tmp_path / "settings.json"
    values = json.loads(path.read_text())
    values["head"] = {name: values["head"][name] for name in ("kind", "pooling", "hidden", "dropout")}
    path.write_text(json.dumps(values))
    np.testing.assert_allclose(EncoderMember.load(tmp_path).predict_proba(fresh), member.predict_proba(fresh))


def test_a_textcnn_refuses_what_it_cannot_tell_apart() -> None:
    with pytest.raises(ConfigError, match="pairing=siamese"):
        TextCnnMember("textcnn", pairing=PairingSettings(Pairing.cross))
