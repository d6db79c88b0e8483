"""Scores of probability predictions: float64, natural logarithm, clipped at 1e-15."""

import numpy as np
from numpy.typing import NDArray

from prefens.core.types import SWAP, Floats, Ints, Strings

CLIP = 1e-15


def outcome_counts(label: NDArray[np.int8], n_outcomes: int) -> Ints:
    """Return how often each outcome is among labels ((n,)): (K,) int64."""
    return np.bincount(label, minlength=n_outcomes)


def outcome_shares(label: NDArray[np.int8], n_outcomes: int) -> Floats:
    """Return the class prior, the share of each outcome among labels ((n,)): (K,), zeros where there are no labels."""
    shares: Floats = outcome_counts(label, n_outcomes) / max(len(label), 1)
    return shares


def one_hot(label: NDArray[np.int8], n_outcomes: int) -> Floats:
    """Return labels ((n,)) as probabilities (n, K): 1 for the true outcome."""
    return np.eye(n_outcomes)[label.astype(np.int64)]


def swap_outcomes(probabilities: Floats) -> Floats:
    """Return what probabilities (..., K) are after A and B change places."""
    swapped: Floats = probabilities[..., SWAP[: probabilities.shape[-1]]]
    return swapped


def p_true(probabilities: Floats, label: NDArray[np.int8]) -> Floats:
    """Return the probability of each row's true outcome, clipped at 1e-15.

    Parameters
    ----------
    probabilities : array, shape (..., n, K)
        float64 or float32, rows summing to 1.
    label : array of int8, shape (n,)
        In the order of `Outcome`.

    Returns
    -------
    array, shape (..., n), of the same type
    """
    *lead, rows, outcomes = probabilities.shape
    flat_index = np.arange(rows) * outcomes + label  # indexing by row and outcome would put members last in memory
    values = np.take(probabilities.reshape(*lead, -1), flat_index, axis=-1)
    clipped: Floats = np.clip(values, CLIP, 1.0, out=values)
    return clipped


def row_losses(probabilities: Floats, label: NDArray[np.int8]) -> Floats:
    """Return each row's log loss, the negative log probability of its true outcome, in nats.

    Parameters
    ----------
    probabilities : array, shape (..., n, K)
        Rows summing to 1.
    label : array of int8, shape (n,)
        In the order of `Outcome`.

    Returns
    -------
    array of float64, shape (..., n), in [0, 34.54]
    """
    values = p_true(probabilities, label).astype(np.float64, copy=False)
    losses: Floats = np.negative(np.log(values, out=values), out=values)  # in place: many members are large
    return losses


def log_loss(probabilities: Floats, label: NDArray[np.int8]) -> float:
    """Return the mean of `row_losses` for probabilities (n, K), in nats: the competition's score."""
    return float(row_losses(probabilities, label).mean())


def accuracy(probabilities: Floats, label: NDArray[np.int8]) -> float:
    """Return the share of rows whose most probable outcome is the true one, in [0, 1]; m equal maxima count 1/m."""
    return float(row_hits(probabilities, label).mean())


def row_hits(probabilities: Floats, label: NDArray[np.int8]) -> Floats:
    """Return 1 where the most probable of (n, K) outcomes is the true one, 1/m where it is one of m, else 0: (n,)."""
    most_probable = probabilities >= probabilities.max(axis=1, keepdims=True) - 1e-12
    hits: Floats = most_probable[np.arange(len(label)), label.astype(np.int64)] / most_probable.sum(axis=1)
    return hits


def calibration_error(probabilities: Floats, label: NDArray[np.int8], bins: int = 15) -> float:
    """Return the classwise expected calibration error of probabilities (n, K), in [0, 1].

    The gap between mean probability and frequency in equal-width bins of each outcome's probability, weighted by the
    bin's share of rows and averaged over outcomes (Nixon et al. 2019, section 3.2, "SCE").
    """
    total = 0.0
    outcomes: int = probabilities.shape[1]
    for outcome in range(outcomes):
        column = probabilities[:, outcome]
        bin_index = np.minimum((column * bins).astype(int), bins - 1)
        gap = np.bincount(bin_index, weights=column - (label == outcome), minlength=bins)
        total += float(np.abs(gap).sum()) / len(label)
    return total / outcomes


def clustered_error(values: Floats, group: Strings) -> float:
    """Return the standard error of the mean of `values` ((n,)), clustered by `group` ((n,)).

    Cluster-robust variance with the small-sample factor G / (G - 1) for G groups (Cameron & Miller 2015, section II.C),
    since rows that share a prompt are not independent. NaN for a single group.
    """
    _, group_index = np.unique(group.astype(str), return_inverse=True)
    sums = np.bincount(group_index, weights=values - values.mean())
    if len(sums) < 2:
        return float("nan")
    return float(np.sqrt(len(sums) / (len(sums) - 1) * np.square(sums).sum()) / len(values))
