"""The class prior of a training: what a new head predicts, and what a collapsed one returns to."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from prefens.core.metrics import swap_outcomes
from prefens.core.teaching import Targets
from prefens.core.types import Floats


def class_prior(targets: Targets, symmetric: bool, smoothing: float = 0.0) -> Floats:
    """Return the outcomes' shares among targets, smoothed so that no outcome is impossible (Laplace's rule).

    They are the constant probabilities of the lowest loss; with a temperature, these are found numerically.

    Parameters
    ----------
    targets : Targets
        Of the training pairs.
    symmetric : bool
        Whether A and B get equal shares.
    smoothing : float in [0, 1)
        Label smoothing: the weight of equal shares.

    Returns
    -------
    float64 array, shape (K,)
        Positive; sums to 1.
    """
    counts, softened = targets.plain.sum(axis=0) + 1.0, np.zeros(targets.n_outcomes)
    if targets.softened is not None:
        softened = targets.softened.sum(axis=0)
    if symmetric:
        counts, softened = ((each + swap_outcomes(each)) / 2.0 for each in (counts, softened))
    if softened.any():
        counts = counts.sum() * _best_constant(counts, softened, targets.temperature)
    shares: Floats = (1.0 - smoothing) * counts / counts.sum() + smoothing / len(counts)
    return shares


def constant_losses(targets: Targets, probabilities: Floats) -> Floats:
    """Return the loss of each pair, (n,) in nats, where all of them are predicted as `probabilities`, (K,)."""
    logs = np.log(probabilities)
    losses: Floats = -(targets.plain * logs).sum(axis=1)
    if targets.softened is not None:
        losses -= (targets.softened * log_softmax(logs / targets.temperature)).sum(axis=1)
    return losses


def _best_constant(plain: Floats, softened: Floats, temperature: float) -> Floats:
    """Return the constant probabilities, (K,), of the lowest loss on targets with these sums, each (K,)."""

    def loss(logits: Floats) -> float:
        losses = plain @ log_softmax(logits) + softened @ log_softmax(logits / temperature)
        return -float(losses) / float(plain.sum() + softened.sum())

    probabilities: Floats = softmax(minimize(loss, np.log(plain)).x)
    return probabilities
