"""Targets: votes and a teacher's probabilities, mixed by their weights."""

import numpy as np
import pytest
from scipy.special import softmax

from prefens.core.teaching import NO_VOTE, Targets

LABEL = np.array([0, 1, 2, 0], dtype=np.int8)
TEACHER = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [1.0, 0.0, 0.0], [np.nan] * 3])
VOTES = np.eye(3)[LABEL]


def test_votes_alone_are_one_hot() -> None:
    targets = Targets.of_votes(LABEL, 3)
    assert targets.are_votes
    assert (targets.label == LABEL).all()
    assert len(targets) == 4


def test_no_weight_of_the_teacher_is_no_teacher_bit_for_bit() -> None:
    for temperature in (1.0, 3.0):
        targets = Targets.of_teacher(LABEL, TEACHER, np.zeros(4), temperature)
        assert targets.are_votes
        assert (targets.plain == VOTES).all()


def test_a_one_hot_teacher_is_the_votes() -> None:
    targets = Targets.of_teacher(LABEL, VOTES, np.full(4, 0.3))
    assert targets.are_votes
    assert (targets.plain == VOTES).all()


def test_weights_share_the_loss() -> None:
    weight = np.array([0.25, 0.25, 0.25, 0.0])
    targets = Targets.of_teacher(LABEL, TEACHER, weight)
    assert not targets.are_votes
    assert targets.softened is None
    np.testing.assert_allclose(targets.plain[0], [0.75 + 0.125, 0.075, 0.05])
    np.testing.assert_allclose(targets.plain.sum(axis=1), 1.0)
    assert (targets.plain[3] == VOTES[3]).all()


def test_certain_teachers_have_the_logits_of_the_clipped_log_loss() -> None:
    """Infinite ones stay one-hot at any temperature, with T times the gradient of all others."""
    teacher = np.array([[1.0, 0.0, 0.0]])
    targets = Targets.of_teacher(np.array([NO_VOTE], dtype=np.int8), teacher, np.ones(1), 5.0)
    assert targets.softened is not None
    np.testing.assert_allclose(targets.softened, 25 * softmax(np.log([[1.0, 1e-15, 1e-15]]) / 5, axis=1))
    np.testing.assert_allclose(targets.weight, 1.0)


@pytest.mark.parametrize("temperature", [0.5, 2.0, 4.0])
def test_the_temperature_is_on_both_sides(temperature: float) -> None:
    """At logits with which the student predicts the teacher's probabilities, the loss of the teacher is lowest."""
    targets = Targets.of_teacher(np.full(2, NO_VOTE, dtype=np.int8), TEACHER[:2], np.ones(2), temperature)
    assert targets.softened is not None
    assert not targets.voted.any()
    np.testing.assert_allclose(targets.weight, 1.0)
    student = softmax(np.log(TEACHER[:2]) / temperature, axis=1)
    np.testing.assert_allclose(targets.softened, student * temperature**2)


def test_swapped_pairs_have_swapped_targets() -> None:
    targets = Targets.of_teacher(LABEL, TEACHER, np.array([0.5, 0.5, 0.5, 0.0]), 2.0)
    swapped = targets.swapped()
    assert swapped.softened is not None
    assert targets.softened is not None
    assert (swapped.plain == targets.plain[:, [1, 0, 2]]).all()
    assert (swapped.softened == targets.softened[:, [1, 0, 2]]).all()
    assert (swapped.swapped().plain == targets.plain).all()
    assert swapped.vote.tolist() == [1, 0, 2, 1]
    some = targets.take(np.array([2, 0]))
    assert (some.plain == targets.plain[[2, 0]]).all()


def test_a_vote_without_weight_is_still_a_vote() -> None:
    """Choices are scored on votes where all of the loss is the teacher's."""
    targets = Targets.of_teacher(LABEL, TEACHER, np.array([1.0, 1.0, 1.0, 0.0]))
    assert targets.voted.all()
    assert (targets.vote == LABEL).all()
    np.testing.assert_allclose(targets.plain[:3], TEACHER[:3])
