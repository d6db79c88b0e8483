"""The rewards of answers, and the scale and the tie parameter of a reward model, fitted on training pairs.

Rewards are overconfident out of the box, since their scale is arbitrary. With a scale that is fitted on the training
folds, a zero-shot reward model is a calibrated member.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from prefens.core.errors import TrainingError
from prefens.core.metrics import one_hot
from prefens.core.types import Floats, Ints, Outcome, outcomes
from prefens.data.text.tokens import PairTokens
from prefens.members.nn.encoder_features import EncoderFeatures
from prefens.members.nn.head_kinds import RewardHead
from prefens.members.nn.pair_model import PairModel, pair_batch
from prefens.members.training.batching import micro_batches
from prefens.members.training.dataset import Examples
from prefens.members.training.loop import device, to_device
from prefens.members.training.oom import TokenBudget
from prefens.members.training.reward_scale import RewardScale
from prefens.members.training.settings import Mode, TrainingSettings

SAMPLE = 512  # training pairs that a scale is fitted on where reading all of them again would take long
MIN_LOG_NU = -12.0  # of data without ties


def calibrate(model: PairModel, examples: Examples, settings: TrainingSettings) -> None:
    """Set the scale and the tie parameter of a reward head to those of the lowest loss on votes.

    Parameters
    ----------
    model : PairModel
        With a `RewardHead`.
    examples : Examples
        The training pairs: all that have votes are read where mode=frozen, else 512 that are spread over them.

    Raises
    ------
    TrainingError
        The fit did not converge, or a reward is not finite.
    """
    head = model.head
    if not isinstance(head, RewardHead):
        raise ValueError("a head without a score")
    places = _sample(np.flatnonzero(examples.targets.voted), settings)
    rewards = _rewards(model, head, examples, places, settings.token_budget)
    scale, log_nu = fit_scale(rewards, examples.targets.vote[places], head.n_outcomes)
    with torch.no_grad():
        head.scale.fill_(scale)
        if head.log_nu is not None:
            head.log_nu.fill_(log_nu)


@torch.no_grad()
def _rewards(model: PairModel, head: RewardHead, examples: Examples, places: NDArray[np.int64], budget: int) -> Floats:
    """Return (n, 2) scores of the responses of the pairs at `places`."""
    model.to(device()).eval()
    rewards = np.empty((len(places), 2))
    lengths = examples.lengths[places]
    for part in micro_batches(np.arange(len(places)), lengths, budget):
        batch = to_device(pair_batch(examples.inputs, examples.rows[places[part]], examples.padding))
        scores = [head.score(vector)[:, 0].double().cpu().numpy() for vector in model.vectors(batch)]
        rewards[part] = np.column_stack(scores)
    return rewards


def fit_reward_scale(model: PairModel, examples: Examples, settings: TrainingSettings) -> RewardScale:
    """Return the mean and the spread of a trained model's rewards on training answers.

    Parameters
    ----------
    model : PairModel
        Siamese, of a member that `has_rewards`.
    examples : Examples
        The training pairs, of which both answers are read: of all pairs where mode=frozen, else of 512 that are spread
        over them.

    Raises
    ------
    TrainingError
        One response does not fit into memory.
    """
    rows, budget = examples.rows[_sample(np.arange(len(examples)), settings)], settings.token_budget
    sides = (read_rewards(model, examples.inputs, rows, budget, examples.padding, second) for second in (False, True))
    return RewardScale.of(np.concatenate([*sides]))


def _sample(places: Ints, settings: TrainingSettings) -> Ints:
    """Return those of the places of pairs that a scale is fitted on."""
    count = len(places) if settings.mode is Mode.frozen else min(len(places), SAMPLE)
    return places[np.unique(np.linspace(0, len(places) - 1, count).round().astype(np.int64))]


@torch.no_grad()
def read_rewards(
    model: PairModel,
    inputs: PairTokens | EncoderFeatures,
    rows: Ints,
    token_budget: int,
    padding: int,
    second: bool = False,
) -> Floats:
    """Return the rewards of one response of each of some pairs, (n,) in natural log odds; the other is not read.

    Parameters
    ----------
    model : PairModel
        Siamese, of a member that `has_rewards`.
    inputs : PairTokens or EncoderFeatures
        Of these pairs and others.
    rows : int64 array, shape (n,)
        The places of the pairs in `inputs`.
    token_budget : int
        Real tokens in a forward pass; halved where memory runs out.
    padding : int
        The id of the padding token.
    second : bool
        Whether the responses B are read, in place of A.

    Raises
    ------
    TrainingError
        One response does not fit into memory.
    """
    model.to(device()).eval()
    head, rewards, swapped = model.head, np.empty(len(rows)), np.full(len(rows), second)
    lengths = (inputs.b if second else inputs.a).lengths[rows]

    def fill(part: Ints) -> None:
        (vector,) = model.vectors(to_device(pair_batch(inputs, rows[part], padding, swapped[part], both=False)))
        values = head.scale * head.score(vector) if isinstance(head, RewardHead) else head.body(vector)
        rewards[part] = values[:, 0].double().cpu().numpy()

    budget = TokenBudget(token_budget)
    for part in micro_batches(np.arange(len(rows)), lengths, token_budget):
        budget.run(fill, part, lengths)
    return rewards


def fit_scale(rewards: Floats, label: NDArray[np.int8], n_outcomes: int = 3) -> tuple[float, float]:
    """Return the scale and log nu that give the labels of n pairs the highest likelihood, a concave problem.

    Parameters
    ----------
    rewards : float64 array, shape (n, 2)
        Scores of A and of B.
    label : int8 array, shape (n,)
        Outcomes.
    n_outcomes : int
        K; where it is 2, log nu is 0 and means nothing.

    Raises
    ------
    TrainingError
        The fit did not converge, or a reward is not finite.
    """
    if not np.isfinite(rewards).all():
        raise TrainingError("a reward that is not finite", "finite rewards", "set training.precision=fp32")
    difference = rewards[:, 0] - rewards[:, 1]
    unit = max(float(difference.std()), 1e-12)  # so that the fit sees numbers around 1
    direction = {Outcome.A_WINS: 0.5, Outcome.B_WINS: -0.5, Outcome.TIE: 0.0}
    # A pair's mean reward cancels in the softmax.
    slopes = np.column_stack([direction[outcome] * difference / unit for outcome in outcomes(n_outcomes)])
    tie = np.array([float(outcome is Outcome.TIE) for outcome in outcomes(n_outcomes)])
    wanted = one_hot(label, n_outcomes)

    def loss(values: Floats) -> tuple[float, Floats]:
        log_p = log_softmax(values[0] * slopes + values[1] * tie, axis=1)
        errors = np.exp(log_p) - wanted
        gradient = np.array([(errors * slopes).sum(), (errors * tie).sum()])
        return -float((log_p * wanted).sum()) / len(label), gradient / len(label)

    fit = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(None, None), (MIN_LOG_NU, None)])
    if not fit.success:
        raise TrainingError(f"no scale of the rewards: {fit.message}", "a fit that converges", "look at the rewards")
    return float(fit.x[0]) / unit, float(fit.x[1])
