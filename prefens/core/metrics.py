"""Scores of probability predictions: float64, natural logarithm, clipped at 1e-15."""

import numpy as np
from numpy.typing import NDArray

from prefens.core.types import Floats, Ints, Strings, n_outcomes

CLIP = 1e-15


def outcome_counts(label: NDArray[np.int8], n_outcomes: int) -> Ints:
    """Return how often each outcome is among labels ((n,)): (K,) int64 for K = `n_outcomes`."""
    return np.bincount(label, minlength=n_outcomes)


def outcome_shares(label: NDArray[np.int8], n_outcomes: int) -> Floats:
    """Return the class prior: the (K,) shares of the outcomes among labels ((n,)), zeros where there are none."""
    shares: Floats = outcome_counts(label, n_outcomes) / max(len(label), 1)
    return shares


def one_hot(label: NDArray[np.int8]) -> Floats:
    """Return labels ((n,)) as (n, K) probabilities: 1 for what happened."""
    return np.eye(n_outcomes(label))[label.astype(np.int64)]


def p_true(probabilities: Floats, label: NDArray[np.int8]) -> Floats:
    """Return the probability that each row gave to what happened, clipped at 1e-15.

    Parameters
    ----------
    probabilities : (..., n, K) float64 or float32, rows summing to 1.
    label : (n,) int8 in the order of `Outcome`.

    Returns
    -------
    (..., n) of the same type.
    """
    *lead, rows, outcomes = probabilities.shape
    places = np.arange(rows) * outcomes + label  # indexing by row and outcome would put the members last in memory
    values = np.take(probabilities.reshape(*lead, -1), places, axis=-1)
    clipped: Floats = np.clip(values, CLIP, 1.0, out=values)
    return clipped


def row_losses(probabilities: Floats, label: NDArray[np.int8]) -> Floats:
    """Return each row's negative log probability of what happened, in nats.

    Parameters
    ----------
    probabilities : (..., n, K), rows summing to 1.
    label : (n,) int8 in the order of `Outcome`.

    Returns
    -------
    (..., n) float64 in [0, 34.54].
    """
    values = p_true(probabilities, label).astype(np.float64, copy=False)
    losses: Floats = np.negative(np.log(values, out=values), out=values)  # in place: many members are large
    return losses


def log_loss(probabilities: Floats, label: NDArray[np.int8]) -> float:
    """Return the mean of `row_losses` for (n, K) probabilities: the competition's score."""
    return float(row_losses(probabilities, label).mean())


def accuracy(probabilities: Floats, label: NDArray[np.int8]) -> float:
    """Return the share of rows whose most probable outcome happened; in [0, 1], ties of maxima shared out."""
    best = probabilities >= probabilities.max(axis=1, keepdims=True) - 1e-12
    return float((best[np.arange(len(label)), label.astype(np.int64)] / best.sum(axis=1)).mean())


def calibration_error(probabilities: Floats, label: NDArray[np.int8], bins: int = 15) -> float:
    """Return the classwise expected calibration error, in [0, 1].

    Equal-width bins of each outcome's probability; the gap between mean probability and frequency,
    weighted by the bin's share of rows, averaged over outcomes (Nixon et al. 2019, section 3.2, "SCE").
    """
    total = 0.0
    outcomes: int = probabilities.shape[1]
    for outcome in range(outcomes):
        column = probabilities[:, outcome]
        place = np.minimum((column * bins).astype(int), bins - 1)
        gap = np.bincount(place, weights=column - (label == outcome), minlength=bins)
        total += float(np.abs(gap).sum()) / len(label)
    return total / outcomes


def clustered_error(values: Floats, group: Strings) -> float:
    """Return the standard error of the mean of `values` ((n,)), clustered by `group` ((n,)).

    Cluster-robust variance with the small-sample factor G / (G - 1) (Cameron & Miller 2015, section
    II.C); rows that share a prompt are not independent. NaN with a single group.
    """
    _, place = np.unique(group.astype(str), return_inverse=True)
    sums = np.bincount(place, weights=values - values.mean())
    if len(sums) < 2:
        return float("nan")
    return float(np.sqrt(len(sums) / (len(sums) - 1) * np.square(sums).sum()) / len(values))
