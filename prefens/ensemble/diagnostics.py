"""What a blend rests on: weights and their intervals, what each member adds, who says the same, who is too good."""

from __future__ import annotations

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from prefens.ensemble.base import true_class
from prefens.ensemble.simplex import Problem, minimise_log_loss, normalised
from prefens.evaluation.bootstrap import GroupBootstrap, interval
from prefens.evaluation.metrics import clustered_error, row_losses
from prefens.records import Floats, OOFStack
from prefens.results import Diagnosis

DUPLICATE = 0.995  # correlation of errors above which two members say the same
SUSPECT_GAP = 0.1  # nats below every other recipe that call for a second look
SUSPECT_ERRORS = 4.0  # and standard errors
LAST_GAIN = 1e-5  # nats: forward selection ends where no member promises more


def diagnose(stack: OOFStack, resamples: int = 1000, jobs: int = 1) -> Diagnosis:
    """Look at a stack from all sides; `jobs` threads share the work."""
    happened = true_class(stack)
    weights = minimise_log_loss(happened)
    correlation = error_correlation(stack)
    fold, bootstrap = stack.folds.fold, GroupBootstrap(stack.folds.group, resamples)
    with threadpool_limits(1 if jobs > 1 else None):  # each thread has its own algebra, and would start `jobs` more
        intervals = weight_intervals(happened, weights, bootstrap, jobs)
        lost, curve = left_out(happened, fold, jobs), forward_curve(happened, fold, jobs)
    doubles = [(int(a), int(b)) for a, b in np.argwhere(np.triu(correlation > DUPLICATE, 1))]
    return Diagnosis(weights, intervals, correlation, lost, curve, doubles, suspects(stack))


def weight_intervals(happened: Floats, weights: Floats, bootstrap: GroupBootstrap, jobs: int = 1) -> Floats:
    """Return (M, 2): 95 % intervals of the fitted weights, refitted on every resample."""

    def refit(counts: Floats) -> Floats:
        drawn = counts > 0
        shares = counts[drawn]
        return minimise_log_loss(happened[:, drawn], shares / shares.mean(), start=weights, target=1e-6)

    draws = Parallel(n_jobs=jobs, prefer="threads")(delayed(refit)(counts) for counts in bootstrap.row_counts())
    return interval(np.stack(list(draws)))


def error_correlation(stack: OOFStack) -> Floats:
    """Return (M, M): the correlation of the members' errors, outcome less probability, over rows and outcomes."""
    members, rows, _ = stack.probabilities.shape
    flat = stack.probabilities.reshape(members, -1)
    hit = stack.true_class().sum(axis=1)  # errors have mean zero: outcomes and probabilities both sum to 1
    covariance = (flat @ flat.T).astype(np.float64) - hit[:, None] - hit[None, :] + rows
    size = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    correlation: Floats = np.clip(covariance / np.outer(size, size), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def left_out(happened: Floats, fold: NDArray[np.int8], jobs: int = 1) -> Floats:
    """Return (M,): the honest log loss of the fitted blend without each member, less the one with all, in nats."""
    members, rows = happened.shape
    if members == 1:
        return np.full(1, np.nan)

    def lost_on(out: int) -> Floats:
        lost = np.zeros(members)
        train, test = happened[:, fold != out], happened[:, fold == out]
        weights = minimise_log_loss(train)
        whole = float(np.log(weights @ test).sum())
        for place in np.flatnonzero(weights):  # the others change nothing when they go
            rest = np.arange(members) != place
            start = weights[rest] if weights[rest].any() else np.ones(members - 1)
            without = minimise_log_loss(train[rest], start=normalised(start))
            lost[place] = whole - float(np.log(without @ test[rest]).sum())
        return lost

    lost = Parallel(n_jobs=jobs, prefer="threads")(delayed(lost_on)(out) for out in np.unique(fold))
    cost: Floats = np.sum(list(lost), axis=0) / rows
    return cost


def forward_curve(happened: Floats, fold: NDArray[np.int8], jobs: int = 1) -> list[float]:
    """Return the honest log loss, in nats, of fitted blends of 1, 2, ... members.

    Without each fold in turn, members are added one by one, the one with the steepest descent first, and all weights
    are fitted anew (fully corrective Frank-Wolfe: Jaggi 2013, algorithm 4); the blend is scored on the fold. The
    curve ends where no member promises to gain 1e-5 nats in any fold.
    """

    def losses_on(out: int) -> list[float]:
        train, test = happened[:, fold != out], happened[:, fold == out]
        problem = Problem(train)
        weights = np.eye(len(train))[int(np.argmax(np.log(train).mean(axis=1)))]
        losses = [-float(np.log(weights @ test).sum())]
        while (weights > 0).sum() < len(train):
            gradient = problem.gradient(weights)
            if gradient @ weights - gradient.min() <= LAST_GAIN:
                break
            chosen = np.union1d(np.flatnonzero(weights), [int(np.argmin(gradient))])
            weights = problem.descend(weights, chosen, 0.1 * LAST_GAIN)
            losses.append(-float(np.log(weights @ test).sum()))
        return losses

    curves = list(Parallel(n_jobs=jobs, prefer="threads")(delayed(losses_on)(out) for out in np.unique(fold)))
    longest = max(map(len, curves))
    padded = [losses + losses[-1:] * (longest - len(losses)) for losses in curves]
    return [float(total) for total in np.sum(padded, axis=0) / len(fold)]


def suspects(stack: OOFStack) -> list[str]:
    """Name members that are implausibly good: below what can be known, or far below every other recipe."""
    losses = row_losses(stack.probabilities, stack.folds.label)
    found = []
    for place, info in enumerate(stack.members):
        own, error = losses[place].mean(), clustered_error(losses[place], stack.folds.group)
        if stack.folds.truth is not None:
            beaten = losses[place] - row_losses(stack.folds.truth[:, 0], stack.folds.label)
            if beaten.mean() < -SUSPECT_ERRORS * clustered_error(beaten, stack.folds.group):
                found.append(f"{info.name}: log loss {own:.4f}, less than the true probabilities reach: a leak")
                continue
        others = [
            losses[other].mean()
            for other, each in enumerate(stack.members)
            if (each.recipe or each.name) != (info.recipe or info.name)
        ]
        if others and min(others) - own > max(SUSPECT_GAP, SUSPECT_ERRORS * error):
            found.append(f"{info.name}: log loss {own:.4f}, all others {min(others):.4f} or more: does it know labels?")
    return found
