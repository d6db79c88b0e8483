"""The contract of members, run over every kind: probabilities, swap symmetry, equal bits, saving."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefens.core.metrics import one_hot
from prefens.core.teaching import NO_VOTE, Targets
from prefens.core.types import SWAP, Pairs
from prefens.data.outcomes import with_outcomes
from prefens.data.synthetic.generator import generate
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
from prefens.members.wordllama import WordLlamaMember
from tests.helpers.examples import FAMILIES, column, make_pairs, make_tiny_encoder

Make = Callable[[], Member]
QUICK = TrainingSettings(lr=1e-3, head_lr=1e-2, epochs=1, batch_pairs=8, token_budget=600, save=Save.fp32)


def encoder(family: str, folder: Path, **settings: Any) -> EncoderMember:
    """Return a member on a tiny encoder of a family, which is made in the folder at the first call."""
    if not (folder / "config.json").exists():
        make_tiny_encoder(family, folder)
    defaults = {"text": TextSettings(max_length=64), "head": HeadSettings(hidden=8), "training": QUICK}
    return EncoderMember(family, path=str(folder), **(defaults | settings))


def textcnn(folder: Path) -> TextCnnMember:
    sizes: dict[str, Any] = {"vocabulary": 100, "dimension": 8, "filters": 4, "widths": [1, 3]}
    return TextCnnMember("textcnn", text=TextSettings(max_length=64), training=QUICK, **sizes)


CROSS = {
    "text": TextSettings(max_length=128), "pairing": PairingSettings(Pairing.cross),
    "head": HeadSettings(HeadKind.mlp, Pooling.attention, hidden=8, style=True),
}  # fmt: skip
MEMBERS: dict[str, Callable[[Path], Member]] = {  # a small member of each kind; an encoder's files are in the folder
    "style": lambda folder: StyleMember("style", strengths=[0.01, 0.1]),
    "boosting": lambda folder: StyleMember("style", StyleModel.boosting, rounds=10, min_rows=5),
    "tfidf": lambda folder: TfidfMember("tfidf", bits=10, strengths=[0.1, 1.0]),
    "minilm": lambda folder: MiniLmMember("minilm-l6", max_length=32, layer=2, strengths=[0.1, 1.0]),
    "wordllama": lambda folder: WordLlamaMember("wordllama", strengths=[0.1, 1.0]),
    "textcnn": textcnn,
    "cross": lambda folder: encoder("bert", folder, **CROSS),
    **{family: partial(encoder, family) for family in FAMILIES},
}
FAST_FAMILIES = ("bert", "deberta-v2")  # one family that reads packed sequences, and one that reads padded ones
SLOW = set(FAMILIES) - set(FAST_FAMILIES)
MARKS = dict.fromkeys(SLOW, pytest.mark.slow) | {
    "wordllama": pytest.mark.skipif(find_spec("wordllama") is None, reason="wordllama is not installed: extra offline")
}


@pytest.fixture(scope="module", params=[pytest.param(name, marks=MARKS.get(name, ())) for name in MEMBERS])
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Make:
    folder = tmp_path_factory.mktemp(request.param)
    return lambda: MEMBERS[request.param](folder)


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
        predicted, swapped = fitted.predict_proba(pairs), fitted.predict_proba(pairs.swapped())
        np.testing.assert_allclose(predicted, swapped[:, SWAP], atol=1e-6)


def test_survives_any_text(fitted: Member, odd_pairs: Pairs) -> None:
    predicted = fitted.predict_proba(odd_pairs)
    assert np.isfinite(predicted).all()
    np.testing.assert_allclose(predicted.sum(axis=1), 1.0, atol=1e-9)


def test_a_prediction_depends_on_its_own_texts(fitted: Member, train: Pairs, odd_pairs: Pairs) -> None:
    """Rows of a data set whose features are in memory, and the same rows as another data set beside strange texts."""
    alone = fitted.predict_proba(Pairs.concatenate([odd_pairs, train.take(np.arange(20)).unlabelled()]))
    np.testing.assert_allclose(alone[len(odd_pairs) :], fitted.predict_proba(train)[:20], atol=1e-6)
    np.testing.assert_allclose(alone[: len(odd_pairs)], fitted.predict_proba(odd_pairs), atol=1e-6)


def test_no_rows(fitted: Member, train: Pairs) -> None:
    assert fitted.predict_proba(train.take(np.arange(0))).shape == (0, 3)


def test_saved_and_loaded_predicts_the_same(fitted: Member, train: Pairs, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".pkl", ".pickle", ".bin", ".pt", ".joblib")]
    again = type(fitted).load(tmp_path)
    np.testing.assert_allclose(again.predict_proba(train), fitted.predict_proba(train), atol=1e-6)


def test_same_seed_same_bits(make: Make, fitted: Member, train: Pairs, context: Context) -> None:
    again = make()
    metrics = again.fit(train, None, context).metrics
    assert "rounds" in metrics or int(metrics["parameters"]) > 0  # what a report compares; boosted trees have none
    np.testing.assert_array_equal(again.predict_proba(train), fitted.predict_proba(train))


def test_a_teacher_without_weight_and_one_that_repeats_the_votes_change_no_bit(
    make: Make, fitted: Member, train: Pairs, context: Context
) -> None:
    member, weight = make(), np.where(np.arange(60) % 2, 0.0, 0.3)
    if not member.learns_from_teachers:
        assert isinstance(member, StyleMember)
        assert member.model is StyleModel.boosting
        return
    teacher = np.where(weight[:, None] > 0, one_hot(train.labels, 3), 1 / 3)
    member.fit(train, None, replace(context, targets=Targets.of_teacher(train.labels, teacher, weight)))
    np.testing.assert_array_equal(member.predict_proba(train), fitted.predict_proba(train))


def test_swapped_rows_with_swapped_soft_labels_teach_the_same(
    make: Make, fitted: Member, train: Pairs, context: Context, generator: np.random.Generator
) -> None:
    """And rows without votes teach: their labels are not read, their soft labels are."""
    if not fitted.learns_from_teachers or isinstance(fitted, NetworkMember):
        pytest.skip("dropout draws anew for swapped rows: networks have their own test")
    vote, weight = train.labels.copy(), np.full(60, 0.5)
    vote[40:] = NO_VOTE
    targets = Targets.of_teacher(vote, generator.dirichlet(np.ones(3), 60), weight, 2.0)
    predictions = []
    for pairs, taught in ((train, targets), (train.swapped(), targets.swapped())):
        member = make()
        member.fit(replace(pairs, label=np.where(vote < 0, 0, pairs.labels)), None, replace(context, targets=taught))
        predictions.append(member.predict_proba(train))
    np.testing.assert_allclose(predictions[0], predictions[1], atol=1e-3)
    assert np.abs(predictions[0] - fitted.predict_proba(train)).max() > 0.02


@pytest.mark.slow
@pytest.mark.parametrize("name", ["style", "tfidf"])
def test_true_probabilities_teach_more_than_votes(name: str, tmp_path: Path) -> None:
    train, fresh, losses = generate(600, seed=1), generate(1000, seed=2), []
    assert train.truth is not None
    assert fresh.truth is not None
    for weight in (0.0, 1.0):
        member, targets = (
            MEMBERS[name](tmp_path),
            Targets.of_teacher(train.labels, train.truth[:, 1], np.full(600, weight)),
        )
        member.fit(train, None, Context(1, (np.arange(600) % 5).astype(np.int8), targets=targets))
        losses.append(-float((fresh.truth[:, 1] * np.log(member.predict_proba(fresh))).sum(axis=1).mean()))
    assert losses[1] < losses[0] - 0.02


def test_an_absent_outcome_keeps_a_finite_column(make: Make, context: Context) -> None:
    binary = make_pairs(60, classes=2)
    member = make()
    member.fit(binary, None, context)
    predicted = member.predict_proba(binary)
    assert predicted.shape == (60, 3)
    assert (predicted[:, 2] > 0).all()
    assert predicted[:, 2].mean() < 0.4


def test_two_outcomes(make: Make, context: Context, tmp_path: Path) -> None:
    binary = with_outcomes(make_pairs(60, classes=2), 2)
    member = make()
    member.fit(binary, None, context)
    predicted, swapped = member.predict_proba(binary.unlabelled()), member.predict_proba(binary.swapped())
    assert predicted.shape == (60, 2)
    assert np.ptp(predicted, axis=0).max() > 1e-3
    np.testing.assert_allclose(predicted.sum(axis=1), 1.0, atol=1e-9)
    np.testing.assert_allclose(predicted, swapped[:, ::-1], atol=1e-6)
    member.save(tmp_path)
    np.testing.assert_allclose(type(member).load(tmp_path).predict_proba(binary), predicted, atol=1e-6)


def test_fp16_moves_probabilities_little(train: Pairs, context: Context, tiny_bert: Path, tmp_path: Path) -> None:
    settings = TrainingSettings(lr=1e-3, epochs=1, batch_pairs=8, save=Save.fp16)
    member = EncoderMember("bert", path=str(tiny_bert), text=TextSettings(max_length=64), training=settings)
    member.fit(train, None, context)
    member.save(tmp_path)
    difference = EncoderMember.load(tmp_path).predict_proba(train) - member.predict_proba(train)
    assert 0 < np.abs(difference).max() < 1e-3


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
    correct = (predicted[decided, 0] > predicted[decided, 1]) == (fresh.labels[decided] == 0)
    assert correct.mean() > 0.9


def test_a_second_process_reads_the_tokens_of_the_first(make: Make, tmp_path: Path) -> None:
    """Fresh pairs stand for another process: nothing of them is in memory."""
    member = make()
    if not isinstance(member, NetworkMember):
        pytest.skip("reads no tokens")
    inner = (np.arange(60) % 5).astype(np.int8)
    predictions = []
    for cache in (tmp_path, tmp_path, None):
        again, pairs = make(), make_pairs(60)
        again.fit(pairs, None, Context(seed=7, inner=inner, cache=cache))
        predictions.append(again.predict_proba(pairs))
    np.testing.assert_array_equal(predictions[0], predictions[1])
    np.testing.assert_array_equal(predictions[0], predictions[2])
    assert len(list(tmp_path.glob("tokens/*/content.json"))) == 1
