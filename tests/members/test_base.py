"""The contract of members, run over every kind: probabilities, swap symmetry, equal bits, saving."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prefens.core.types import SWAP, Pairs
from prefens.data.text.settings import TextSettings
from prefens.members.base import Context, Member
from prefens.members.encoder import EncoderMember
from prefens.members.minilm import MiniLmMember
from prefens.members.network import NetworkMember
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.nn.pairing import Pairing, PairingSettings
from prefens.members.nn.pooling import Pooling
from prefens.members.style import StyleMember, StyleModel
from prefens.members.textcnn import TextCnnMember
from prefens.members.tfidf import TfidfMember
from prefens.members.training.settings import Save, TrainingSettings
from tests.helpers.examples import FAMILIES, column, make_pairs, make_tiny_encoder

Make = Callable[[], Member]
QUICK = TrainingSettings(lr=1e-3, head_lr=1e-2, epochs=1, batch_pairs=8, token_budget=600, save=Save.fp32)


QUICKLY = ("bert", "deberta-v2")  # one family that reads packed sequences, and one that reads padded ones
KINDS = ["style", "boosting", "tfidf", "minilm-l6", "textcnn", "cross", *QUICKLY]
KINDS += [pytest.param(family, marks=pytest.mark.slow) for family in FAMILIES if family not in QUICKLY]


@pytest.fixture(scope="module", params=KINDS)
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Make:
    kind = request.param
    if kind == "style":
        return lambda: StyleMember("style", strengths=[0.01, 0.1])
    if kind == "boosting":
        return lambda: StyleMember("style", StyleModel.boosting, rounds=10, min_rows=5)
    if kind == "tfidf":
        return lambda: TfidfMember("tfidf", bits=10, strengths=[0.1, 1.0])
    if kind == "minilm-l6":
        return lambda: MiniLmMember("minilm-l6", max_length=32, layer=2, strengths=[0.1, 1.0])
    if kind == "textcnn":
        small = {"vocabulary": 100, "dimension": 8, "filters": 4, "widths": [1, 3]}
        return lambda: TextCnnMember("textcnn", text=TextSettings(max_length=64), training=QUICK, **small)
    text, head, pairing = TextSettings(max_length=64), HeadSettings(hidden=8), PairingSettings()
    if kind == "cross":
        kind, text, pairing = "bert", TextSettings(max_length=128), PairingSettings(Pairing.cross)
        head = HeadSettings(HeadKind.mlp, Pooling.attention, hidden=8, style=True)
    path = str(make_tiny_encoder(kind, tmp_path_factory.mktemp(kind)))
    return lambda: EncoderMember(kind, text, pairing, head, QUICK, path=path)


@pytest.fixture(scope="module")
def train() -> Pairs:
    return make_pairs(60)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    return Context(seed=7, inner=(np.arange(60) % 5).astype(np.int8), cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def fitted(make: Make, train: Pairs, context: Context) -> Member:
    member = make()
    report = member.fit(train, None, context)
    assert all(np.isfinite(curve).all() for curve in report.curves.values())
    return member


@pytest.fixture(scope="module")
def odd_pairs() -> Pairs:
    """Test rows that hold anything."""
    texts = [
        "",
        " ",
        "\n\n\n",
        "\x00",
        "🙂" * 50,
        "ا" * 30,
        "word " * 400,
        "```\ncode",
        "<script>alert(1)</script>",
        "1",
    ]
    turns = [(text,) for text in texts] + [(), ("a", "")]
    return Pairs(
        ids=column([str(row) for row in range(len(turns))]),
        prompt=column(turns),
        response_a=column(turns),
        response_b=column([tuple(reversed(each)) for each in turns]),
    )


def test_predicts_probabilities(fitted: Member, train: Pairs) -> None:
    predicted = fitted.predict_proba(train.take(np.arange(20)))
    assert predicted.shape == (20, 3)
    assert predicted.dtype == np.float64
    assert (predicted >= 0).all()
    assert np.ptp(predicted, axis=0).max() > 1e-3  # not the same of every pair: the laws below would hold of that
    np.testing.assert_allclose(predicted.sum(axis=1), 1.0, atol=1e-9)


def test_swap_symmetry(fitted: Member, train: Pairs, odd_pairs: Pairs) -> None:
    for pairs in (train, odd_pairs):
        there, back = fitted.predict_proba(pairs), fitted.predict_proba(pairs.swapped())
        np.testing.assert_allclose(there, back[:, SWAP], atol=1e-6)


def test_survives_any_text(fitted: Member, odd_pairs: Pairs) -> None:
    predicted = fitted.predict_proba(odd_pairs)
    assert np.isfinite(predicted).all()
    np.testing.assert_allclose(predicted.sum(axis=1), 1.0, atol=1e-9)


def test_no_rows(fitted: Member, train: Pairs) -> None:
    assert fitted.predict_proba(train.take(np.arange(0))).shape == (0, 3)


def test_saved_and_loaded_predicts_the_same(fitted: Member, train: Pairs, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".pkl", ".pickle", ".bin", ".pt", ".joblib")]
    again = type(fitted).load(tmp_path)
    np.testing.assert_allclose(again.predict_proba(train), fitted.predict_proba(train), atol=1e-6)


def test_same_entropy_same_bits(make: Make, fitted: Member, train: Pairs, context: Context) -> None:
    again = make()
    facts = again.fit(train, None, context).metrics
    assert "rounds" in facts or int(facts["parameters"]) > 0  # what a report compares; boosted trees have none
    np.testing.assert_array_equal(again.predict_proba(train), fitted.predict_proba(train))


def test_an_absent_outcome_keeps_a_finite_column(make: Make, context: Context) -> None:
    binary = make_pairs(60, classes=2)
    member = make()
    member.fit(binary, None, context)
    predicted = member.predict_proba(binary)
    assert predicted.shape == (60, 3)
    assert (predicted[:, 2] > 0).all()
    assert predicted[:, 2].mean() < 0.4


def test_fp16_moves_probabilities_little(train: Pairs, context: Context, tiny_bert: Path, tmp_path: Path) -> None:
    settings = TrainingSettings(lr=1e-3, epochs=1, batch_pairs=8, save=Save.fp16)
    member = EncoderMember("bert", path=str(tiny_bert), text=TextSettings(max_length=64), training=settings)
    member.fit(train, None, context)
    member.save(tmp_path)
    moved = EncoderMember.load(tmp_path).predict_proba(train) - member.predict_proba(train)
    assert 0 < np.abs(moved).max() < 1e-3


def planted(count: int, seed: int) -> Pairs:
    """Return pairs where the response with the word "good" always wins, and neither or both is a tie."""
    generator = np.random.default_rng(seed)
    pairs = make_pairs(count, seed)
    has = generator.random((count, 2)) < 0.5

    def text(row: int, side: int) -> tuple[str]:
        words = " ".join(generator.choice(["the", "list", "green", "blue"], size=6))
        return (f"{words} {'good! ' * 6 if has[row, side] else 'bad, ' * 6}{words}",)

    label = np.where(has[:, 0] == has[:, 1], 2, np.where(has[:, 0], 0, 1)).astype(np.int8)
    sides = [column([text(row, side) for row in range(count)]) for side in range(2)]
    return Pairs(pairs.ids, pairs.prompt, *sides, label)


def test_labels_reach_the_model_the_right_way_round(make: Make, tmp_path: Path) -> None:
    member, train = make(), planted(200, 1)
    if isinstance(member, NetworkMember):
        member.training = replace(member.training, epochs=8, lr=3e-3)
    if isinstance(member, StyleMember):
        member.min_rows, member.rounds = 20, 40
    member.fit(train, None, Context(seed=3, inner=(np.arange(200) % 5).astype(np.int8), cache=tmp_path))
    fresh = planted(100, 2)
    predicted = member.predict_proba(fresh)
    decided = fresh.labels != 2
    right = (predicted[decided, 0] > predicted[decided, 1]) == (fresh.labels[decided] == 0)
    assert right.mean() > 0.9


def test_a_second_process_would_read_the_tokens_of_the_first(make: Make, tmp_path: Path) -> None:
    """Fresh pairs stand for another process: nothing of them is in memory."""
    member = make()
    if not isinstance(member, NetworkMember):
        pytest.skip("reads no tokens")
    inner = (np.arange(60) % 5).astype(np.int8)
    outcomes = []
    for cache in (tmp_path, tmp_path, None):
        again, pairs = make(), make_pairs(60)
        again.fit(pairs, None, Context(seed=7, inner=inner, cache=cache))
        outcomes.append(again.predict_proba(pairs))
    np.testing.assert_array_equal(outcomes[0], outcomes[1])
    np.testing.assert_array_equal(outcomes[0], outcomes[2])
    assert len(list(tmp_path.glob("tokens/*/content.json"))) == 1
