"""Diagnosis of a blend: intervals of its weights, what each member adds, duplicates, implausible members."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from prefens.core import metrics
from prefens.core.bootstrap import GroupBootstrap, interval
from prefens.core.fold_run import training_rows
from prefens.core.metrics import clustered_error, log_loss, row_losses
from prefens.core.resources import release_memory
from prefens.core.types import Floats, Folds, OOFStack
from prefens.ensemble.leaderboard import prior_predictions
from prefens.ensemble.results import DUPLICATE, Diagnosis, duplicate_pairs
from prefens.ensemble.simplex_solver import Problem, best_single, minimize_log_loss, normalize

ALARM_GAP = 0.15  # nats below the median of the other recipes that raise an alarm
ALARM_ERRORS = 4.0  # and standard errors
ALARM_PRIOR_SHARE = 0.5  # share of the class prior's log loss below which people can't agree about responses
LEAST_GAIN = 1e-5  # nats: forward selection ends where no member gains more


def diagnose(stack: OOFStack, resamples: int = 1000, jobs: int = 1) -> Diagnosis:
    """Return the diagnosis of the members of a stack.

    Parameters
    ----------
    stack : OOFStack
        The M members on the scored rows.
    resamples : int
        Bootstrap resamples over prompt groups.
    jobs : int
        Threads that share the work.
    """
    release_memory()  # what the methods have left: else the peaks add up
    p_true = metrics.p_true(stack.probabilities, stack.folds.label)
    weights = minimize_log_loss(p_true)
    correlation = error_correlation(stack, p_true)
    bootstrap = GroupBootstrap(stack.folds.group, resamples)
    with threadpool_limits(1 if jobs > 1 else None):  # each thread has its own algebra, and would start `jobs` more
        intervals = weight_intervals(p_true, weights, bootstrap, jobs)
        release_memory()
        gain = loo_gain(p_true, stack.folds, jobs)
        release_memory()
        forward = forward_curve(p_true, stack.folds, jobs)
    alarms = [*score_alarms(stack), *_duplicate_alarms(stack, correlation)]
    return Diagnosis(weights, intervals, correlation, gain, forward, alarms)


def weight_intervals(p_true: Floats, weights: Floats, bootstrap: GroupBootstrap, jobs: int = 1) -> Floats:
    """Return 95 % intervals of the fitted weights, which are refitted on every resample.

    Parameters
    ----------
    p_true : ndarray of shape (M, n)
        Probability that each member gave to the true outcome of each row, in (0, 1].
    weights : ndarray of shape (M,)
        Weights with the lowest log loss on all rows.
    bootstrap : GroupBootstrap
        Resamples of the n rows.
    jobs : int
        Threads that share the work.

    Returns
    -------
    ndarray of shape (M, 2)
        Lower and upper ends.
    """

    def refit(counts: Floats) -> Floats:
        drawn = counts > 0
        shares = counts[drawn]
        return minimize_log_loss(np.compress(drawn, p_true, axis=1), shares / shares.mean(), start=weights, target=1e-6)

    draws = Parallel(n_jobs=jobs, prefer="threads")(delayed(refit)(counts) for counts in bootstrap.row_counts())
    return interval(np.stack(list(draws)))


def error_correlation(stack: OOFStack, p_true: Floats) -> Floats:
    """Return the (M, M) correlation of the members' errors, outcome less probability, over rows and outcomes.

    Parameters
    ----------
    stack : OOFStack
        The M members.
    p_true : ndarray of shape (M, n)
        Probability that each member gave to the true outcome of each row, in (0, 1].
    """
    members, rows, _ = stack.probabilities.shape
    flat = stack.probabilities.reshape(members, -1)
    # Errors have mean zero: outcomes and probabilities both sum to 1.
    hits = p_true.sum(axis=1)
    covariance = (flat @ flat.T).astype(np.float64) - hits[:, None] - hits[None, :] + rows
    size = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    correlation: Floats = np.clip(covariance / np.outer(size, size), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def loo_gain(p_true: Floats, folds: Folds, jobs: int = 1) -> Floats:
    """Return what each member adds to the fitted blend, by leave one out.

    Parameters
    ----------
    p_true : ndarray of shape (M, n)
        Probability that each member gave to the true outcome of each row, in (0, 1].
    folds : Folds
        Folds of the n rows.
    jobs : int
        Threads that share the work.

    Returns
    -------
    ndarray of shape (M,)
        Honest log loss of the fitted blend without the member, less that with all, in nats; NaN for a single member.
    """
    members, rows = p_true.shape
    if members == 1:
        return np.full(1, np.nan)

    def loss_without(out: int) -> Floats:
        losses = np.zeros(members)
        train, test = _split(p_true, folds, out)
        weights = minimize_log_loss(train)
        whole = float(np.log(weights @ test).sum())
        for place in np.flatnonzero(weights):  # the others change nothing when they go
            rest = np.arange(members) != place
            own, train[place] = train[place].copy(), 0.0  # no weight for a member that is never right: a copy saved
            without = minimize_log_loss(train, start=normalize(rest * (weights if weights[rest].any() else 1.0)))
            train[place] = own
            losses[place] = whole - float(np.log(without @ test).sum())
        return losses

    losses = Parallel(n_jobs=jobs, prefer="threads")(delayed(loss_without)(out) for out in np.unique(folds.fold))
    gain: Floats = np.sum(list(losses), axis=0) / rows
    return gain


def forward_curve(p_true: Floats, folds: Folds, jobs: int = 1) -> list[float]:
    """Return the honest log loss of fitted blends of 1, 2, ... members.

    Without each fold in turn, members are added one by one, the one with the steepest descent first, and all weights
    are fitted anew (fully corrective Frank-Wolfe: Jaggi 2013, "Revisiting Frank-Wolfe: projection-free sparse convex
    optimization", algorithm 4); the blend is scored on the fold.

    Parameters
    ----------
    p_true : ndarray of shape (M, n)
        Probability that each member gave to the true outcome of each row, in (0, 1].
    folds : Folds
        Folds of the n rows.
    jobs : int
        Threads that share the work.

    Returns
    -------
    list of float
        Log loss in nats by number of members; it ends where no member gains 1e-5 nats in any fold.
    """

    def losses_on(out: int) -> list[float]:
        train, test = _split(p_true, folds, out)
        problem = Problem(train)
        weights = np.eye(len(train))[best_single(train)]
        losses = [-float(np.log(weights @ test).sum())]
        while (weights > 0).sum() < len(train):
            gradient = problem.gradient(weights)
            if gradient @ weights - gradient.min() <= LEAST_GAIN:
                break
            chosen = np.union1d(np.flatnonzero(weights), [int(np.argmin(gradient))])
            weights = problem.descend(weights, chosen, 0.1 * LEAST_GAIN)
            losses.append(-float(np.log(weights @ test).sum()))
        return losses

    curves = list(Parallel(n_jobs=jobs, prefer="threads")(delayed(losses_on)(out) for out in np.unique(folds.fold)))
    longest = max(map(len, curves))
    padded = [losses + losses[-1:] * (longest - len(losses)) for losses in curves]
    return [float(total) for total in np.sum(padded, axis=0) / p_true.shape[1]]


def _split(p_true: Floats, folds: Folds, out: int) -> tuple[Floats, Floats]:
    """Return the columns of (M, n) probabilities to fit on without a fold, and the columns of the fold."""
    held_out = folds.fold == out
    return np.compress(training_rows(folds, held_out), p_true, axis=1), np.compress(held_out, p_true, axis=1)


def score_alarms(stack: OOFStack) -> list[str]:
    """Return a sentence for each implausible member: too good to be honest, or worse than the class prior."""
    folds = stack.folds
    losses = row_losses(stack.probabilities, folds.label)
    means = losses.mean(axis=1)
    prior = log_loss(prior_predictions(folds), folds.label)
    errors = [clustered_error(own, folds.group) for own in losses]
    leaks = [False] * len(losses)  # members whose loss is lower than the true probabilities', where these are known
    if folds.truth is not None:
        excess = losses - row_losses(folds.truth[:, 0], folds.label)
        leaks = [bool(own.mean() < -ALARM_ERRORS * clustered_error(own, folds.group)) for own in excess]
    alarms = []
    for place, info in enumerate(stack.members):
        own, error = float(means[place]), errors[place]
        others = [
            float(means[other])
            for other, each in enumerate(stack.members)
            if (each.recipe or each.name) != (info.recipe or info.name)
        ]
        score = f"{info.name}: log loss {own:.4f}"
        if leaks[place]:
            alarms.append(f"{score}, less than the true probabilities reach: a leak")
        elif own < ALARM_PRIOR_SHARE * prior:
            alarms.append(f"{score}, the class prior's is {prior:.4f}: does it know labels?")
        elif others and _lower_median(others) - own > max(ALARM_GAP, ALARM_ERRORS * error):
            alarms.append(f"{score}, the others' median {_lower_median(others):.4f}: a leak?")
        elif own - prior > ALARM_ERRORS * error:
            order = _better_order(stack.probabilities[place], folds.label, prior)
            alarms.append(f"{score}, worse than the class prior's {prior:.4f}{order}")
    return alarms


def _duplicate_alarms(stack: OOFStack, correlation: Floats) -> list[str]:
    names = [info.name for info in stack.members]
    return [
        f"{names[a]} and {names[b]} say the same (errors correlate above {DUPLICATE})"
        for a, b in duplicate_pairs(correlation)
    ]


def _lower_median(values: Sequence[float]) -> float:
    return sorted(values)[(len(values) - 1) // 2]


def _better_order(probabilities: Floats, label: NDArray[np.int8], prior: float) -> str:
    """Say, as the end of an alarm, whether another order of the columns would be better than the class prior."""
    orders = [list(order) for order in permutations(range(probabilities.shape[1]))]
    losses = [float(row_losses(probabilities[:, order], label).mean()) for order in orders]
    best = int(np.argmin(losses))
    if losses[best] > prior:
        return ""
    return f"; with its columns in the order {orders[best]} it would have {losses[best]:.4f}: are they mixed up?"
