"""The class prior is the best constant, of votes and of soft targets; a network that knows no more has collapsed."""

import numpy as np
import pytest

from prefens.core.errors import CollapseError
from prefens.core.teaching import NO_VOTE, Targets
from prefens.members.training.collapse import CollapseGuard
from prefens.members.training.prior import class_prior, constant_losses


def taught(temperature: float, outcomes: int = 3) -> Targets:
    """A thousand pairs, of which a third has no votes; votes and the teacher have other shares of the outcomes."""
    generator = np.random.default_rng(3)
    vote = generator.choice(outcomes, 1000, p=np.array([0.6, 0.4, 0.0][:outcomes])).astype(np.int8)
    vote[::3] = NO_VOTE
    teacher = generator.dirichlet(np.arange(1, outcomes + 1), 1000)
    return Targets.of_teacher(vote, teacher, np.where(vote == NO_VOTE, 2.0, 0.5), temperature)


@pytest.mark.parametrize("outcomes", [2, 3])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_class_prior_has_the_lowest_loss_of_all_constants(temperature: float, outcomes: int) -> None:
    targets = taught(temperature, outcomes)
    prior = class_prior(targets, symmetric=False)
    assert prior.sum() == pytest.approx(1.0)
    lowest = constant_losses(targets, prior).mean()
    for other in np.random.default_rng(0).dirichlet(np.ones(outcomes), 200):
        assert constant_losses(targets, other).mean() > lowest - 1e-5
    a, b, *_ = class_prior(targets, symmetric=True)
    assert a == pytest.approx(b, abs=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_entropy_of_soft_targets_is_no_collapse_and_the_best_constant_is_one(temperature: float) -> None:
    """The student that is judged predicts the teacher, whose loss is above what a network gets on votes."""
    targets = taught(temperature)
    guard = CollapseGuard.for_plan(targets, [np.arange(1000)], 0)
    (prior,) = guard.prior_losses
    assert prior == pytest.approx(constant_losses(targets, class_prior(targets, False)).mean() / targets.mean_weight)
    best = 0.0
    for part in (targets.plain, targets.softened):
        if part is not None:
            shares = part / np.maximum(part.sum(axis=1, keepdims=True), 1e-300)
            best -= float((part * np.log(np.maximum(shares, 1e-300))).sum()) / 1000 / targets.mean_weight
    guard.check([best])
    with pytest.raises(CollapseError):
        guard.check([prior])
