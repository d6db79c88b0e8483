"""The loss of networks: the formula of the targets, the same in any order of A and B, in any micro-batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from prefens.core.errors import CollapseError
from prefens.core.metrics import log_loss, swap_outcomes
from prefens.core.teaching import NO_VOTE, Targets
from prefens.data.outcomes import with_outcomes
from prefens.data.text.settings import TextSettings
from prefens.members.base import Context, FitReport
from prefens.members.encoder import EncoderMember
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.nn.pairing import Pairing, PairingSettings
from prefens.members.training.losses import summed_loss, target_tensors
from prefens.members.training.precision import Precision
from prefens.members.training.prior import class_prior, constant_losses
from prefens.members.training.settings import GuardSettings, Swap, TrainingSettings
from tests.helpers.encoders import without_dropout
from tests.helpers.examples import make_pairs, make_tiny_encoder

ROWS, NEITHER = np.arange(12), np.zeros(12, dtype=bool)
PAIRS, FRESH = make_pairs(40), make_pairs(20, seed=3)
INNER = np.arange(40, dtype=np.int8) // 4 % 5


def taught(count: int, outcomes: int, temperature: float) -> Targets:
    """Votes with a share of a teacher, and on every third pair a teacher alone, with a weight that is not 1."""
    vote = np.where(np.arange(count) % 3 == 0, NO_VOTE, np.arange(count) % outcomes).astype(np.int8)
    teacher = np.random.default_rng(1).dirichlet(np.ones(outcomes), count)
    return Targets.of_teacher(vote, teacher, np.where(vote == NO_VOTE, 1.7, 0.4), temperature)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder without dropout."""
    folder = tmp_path_factory.mktemp("calm")
    return without_dropout(make_tiny_encoder("bert", folder / "bert"), folder)


def fit(path: Path, targets: Targets, swapped: bool = False, **settings: Any) -> tuple[EncoderMember, FitReport]:
    """Train on the first pairs that the targets are of, swapped or not."""
    head, pairing = settings.pop("head", HeadKind.equivariant), settings.pop("pairing", Pairing.siamese)
    quick: dict[str, Any] = {"lr": 1e-3, "head_lr": 1e-2, "epochs": 2, "batch_pairs": 10, "precision": Precision.fp32}
    member = EncoderMember(
        "bert", TextSettings(max_length=64), PairingSettings(pairing), HeadSettings(head, hidden=8, dropout=0.0),
        TrainingSettings(**quick | settings), path=str(path),
    )  # fmt: skip
    pairs = with_outcomes(make_pairs(len(targets), classes=2), 2) if targets.n_outcomes == 2 else PAIRS
    taught_by = targets.swapped() if swapped else targets
    report = member.fit(pairs.swapped() if swapped else pairs, None, Context(1, INNER, targets=taught_by))
    return member, report


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("outcomes", [2, 3])
def test_the_loss_and_its_gradient_are_those_of_the_formula(
    outcomes: int, temperature: float, smoothing: float, generator: np.random.Generator
) -> None:
    targets, logits = taught(12, outcomes, temperature), generator.normal(size=(12, outcomes))

    def smoothed(weights: np.ndarray) -> np.ndarray:
        return (1 - smoothing) * weights + smoothing * weights.mean(axis=1, keepdims=True)

    def formula(at: np.ndarray) -> float:
        loss = -(smoothed(targets.plain) * log_softmax(at, axis=1)).sum()
        if targets.softened is not None:
            loss -= (smoothed(targets.softened) * log_softmax(at / temperature, axis=1)).sum()
        return float(loss)

    assert (targets.softened is None) == (temperature == 1.0)
    tensor = torch.tensor(logits, dtype=torch.float32, requires_grad=True)
    loss = summed_loss(tensor, target_tensors(targets, ROWS, NEITHER), temperature, smoothing)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(formula(logits), rel=1e-5)
    steps = 1e-4 * np.eye(12 * outcomes).reshape(-1, 12, outcomes)
    slopes = [(formula(logits + step) - formula(logits - step)) / 2e-4 for step in steps]
    assert tensor.grad is not None
    np.testing.assert_allclose(tensor.grad.flatten().numpy(), slopes, atol=1e-4)


def test_swapped_pairs_have_swapped_targets(generator: np.random.Generator) -> None:
    logits, swapped = generator.normal(size=(12, 3)), np.arange(12) % 2 == 1
    shown = torch.from_numpy(np.where(swapped[:, None], swap_outcomes(logits), logits)).float()
    for targets in (taught(12, 3, 2.0), Targets.of_votes((ROWS % 3).astype(np.int8), 3)):
        plain = summed_loss(torch.from_numpy(logits).float(), target_tensors(targets, ROWS, NEITHER), 2.0)
        both = summed_loss(shown, target_tensors(targets, ROWS, swapped), 2.0)
        torch.testing.assert_close(plain, both)
        mirrored = summed_loss(shown, target_tensors(targets.swapped(), ROWS, ~swapped), 2.0)
        torch.testing.assert_close(plain, mirrored)


def test_a_one_hot_teacher_is_votes_whatever_is_smoothed() -> None:
    label = (ROWS % 3).astype(np.int8)
    votes, teacher = Targets.of_votes(label, 3), Targets.of_teacher(label, np.eye(3)[label], np.full(12, 0.3))
    tensors = [target_tensors(targets, ROWS, NEITHER) for targets in (votes, teacher)]
    assert [len(each) for each in tensors] == [1, 1]
    assert torch.equal(tensors[0][0], tensors[1][0])


@pytest.mark.parametrize(
    ("head", "pairing", "swap"),
    [
        (HeadKind.equivariant, Pairing.siamese, Swap.random),
        pytest.param(HeadKind.davidson, Pairing.siamese, Swap.none, marks=pytest.mark.slow),
        pytest.param(HeadKind.mlp, Pairing.cross, Swap.both, marks=pytest.mark.slow),
    ],
)
def test_students_of_swapped_rows_with_swapped_soft_labels_are_the_same(
    head: HeadKind, pairing: Pairing, swap: Swap, calm: Path
) -> None:
    for targets in (taught(40, 3, 2.0), taught(40, 2, 1.0)):
        first, second = (fit(calm, targets, way, head=head, pairing=pairing, swap=swap)[0] for way in (False, True))
        np.testing.assert_allclose(first.predict_proba(FRESH), second.predict_proba(FRESH), atol=1e-4)


def test_micro_batches_of_weighted_pairs_change_nothing(calm: Path) -> None:
    whole, cut = (fit(calm, taught(40, 3, 2.0), token_budget=budget) for budget in (100_000, 300))
    np.testing.assert_allclose(whole[1].curves["train_loss"], cut[1].curves["train_loss"], atol=1e-4)
    np.testing.assert_allclose(whole[0].predict_proba(FRESH), cut[0].predict_proba(FRESH), atol=1e-4)


def test_training_stops_by_votes_alone(calm: Path) -> None:
    targets = taught(40, 3, 2.0)
    member, report = fit(calm, targets, patience=1, epochs=3)
    rows = np.flatnonzero((INNER == 0) & targets.voted)
    assert 0 < len(rows) < (INNER == 0).sum()
    expected = log_loss(member.predict_proba(PAIRS.take(rows)), targets.vote[rows])
    assert report.metrics["inner_log_loss"] == pytest.approx(expected, abs=1e-4)


def test_pairs_without_votes_teach(calm: Path) -> None:
    """Votes say that A wins, teachers of the pairs without votes that there are ties only."""
    vote = np.where(np.arange(40) % 2, 0, NO_VOTE).astype(np.int8)
    predictions = [
        fit(calm, Targets.of_teacher(vote, np.tile([0.01, 0.01, 0.98], (40, 1)), weight), swap=Swap.random, epochs=1)[0]
        for weight in (np.where(vote < 0, 0.01, 0.0), np.where(vote < 0, 3.0, 0.0))
    ]
    light, heavy = (member.predict_proba(FRESH)[:, 2].mean() for member in predictions)
    assert light < 0.3 < 0.6 < heavy


def test_a_student_that_learns_nothing_has_the_loss_of_the_class_prior_and_has_collapsed(calm: Path) -> None:
    """Also where pairs weigh less than votes."""
    vote = np.where(np.arange(40) % 2, np.arange(40) % 3, NO_VOTE).astype(np.int8)
    teacher = np.random.default_rng(1).dirichlet(np.ones(3), 40)
    targets = Targets.of_teacher(vote, teacher, np.where(vote == NO_VOTE, 0.2, 0.4), 2.0)
    nothing = {"lr": 1e-12, "head_lr": 1e-12}
    losses = fit(calm, targets, **nothing)[1].curves["train_loss"]
    prior = constant_losses(targets, class_prior(targets, symmetric=True)).mean() / targets.weight.mean()
    assert np.mean(losses[:4]) == pytest.approx(prior, abs=1e-4)  # an epoch
    with pytest.raises(CollapseError, match="nothing is learned"):
        fit(calm, targets, **nothing, guard=GuardSettings(min_pairs=0))
