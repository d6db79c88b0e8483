"""What a blend rests on: weights and their intervals, what each member adds, who says the same, who is too good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.special import entr
from threadpoolctl import threadpool_limits

from prefens.core.bootstrap import GroupBootstrap, interval
from prefens.core.metrics import clustered_error, outcome_shares, p_true, row_losses
from prefens.core.types import Floats, Folds, OOFStack
from prefens.ensemble.results import DUPLICATE, Diagnosis
from prefens.ensemble.simplex_solver import Problem, best_single, minimise_log_loss, normalised

SUSPECT_GAP = 0.15  # nats below the median of the other recipes that call for a second look
SUSPECT_ERRORS = 4.0  # and standard errors
SUSPECT_SHARE = 0.5  # of the class prior's log loss: people do not agree so well about responses
LAST_GAIN = 1e-5  # nats: forward selection ends where no member promises more


def diagnose(stack: OOFStack, resamples: int = 1000, jobs: int = 1) -> Diagnosis:
    """Look at a stack from all sides; `jobs` threads share the work."""
    happened = p_true(stack.probabilities, stack.folds.label)
    weights = minimise_log_loss(happened)
    correlation = error_correlation(stack)
    fold, bootstrap = stack.folds.fold, GroupBootstrap(stack.folds.group, resamples)
    with threadpool_limits(1 if jobs > 1 else None):  # each thread has its own algebra, and would start `jobs` more
        intervals = weight_intervals(happened, weights, bootstrap, jobs)
        lost, curve = left_out(happened, fold, jobs), forward_curve(happened, fold, jobs)
    diagnosis = Diagnosis(weights, intervals, correlation, lost, curve, suspects(stack))
    names = [info.name for info in stack.members]
    alike = [
        f"{names[a]} and {names[b]} say the same (errors correlate above {DUPLICATE})" for a, b in diagnosis.duplicates
    ]
    return replace(diagnosis, alarms=[*diagnosis.alarms, *alike])


def weight_intervals(happened: Floats, weights: Floats, bootstrap: GroupBootstrap, jobs: int = 1) -> Floats:
    """Return (M, 2): 95 % intervals of the fitted weights, refitted on every resample."""

    def refit(counts: Floats) -> Floats:
        drawn = counts > 0
        shares = counts[drawn]
        return minimise_log_loss(
            np.compress(drawn, happened, axis=1), shares / shares.mean(), start=weights, target=1e-6
        )

    draws = Parallel(n_jobs=jobs, prefer="threads")(delayed(refit)(counts) for counts in bootstrap.row_counts())
    return interval(np.stack(list(draws)))


def error_correlation(stack: OOFStack) -> Floats:
    """Return (M, M): the correlation of the members' errors, outcome less probability, over rows and outcomes."""
    members, rows, _ = stack.probabilities.shape
    flat = stack.probabilities.reshape(members, -1)
    # Errors have mean zero: outcomes and probabilities both sum to 1.
    hit = p_true(stack.probabilities, stack.folds.label).sum(axis=1)
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
        train, test = (np.compress(rows, happened, axis=1) for rows in (fold != out, fold == out))
        weights = minimise_log_loss(train)
        whole = float(np.log(weights @ test).sum())
        for place in np.flatnonzero(weights):  # the others change nothing when they go
            rest = np.arange(members) != place
            own, train[place] = train[place].copy(), 0.0  # no weight for who never expects what happens: a copy saved
            without = minimise_log_loss(train, start=normalised(rest * (weights if weights[rest].any() else 1.0)))
            train[place] = own
            lost[place] = whole - float(np.log(without @ test).sum())
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
        train, test = (np.compress(rows, happened, axis=1) for rows in (fold != out, fold == out))
        problem = Problem(train)
        weights = np.eye(len(train))[best_single(train)]
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
    """Say which members are implausible: too good to be honest, or so bad that their columns may be mixed up."""
    losses = row_losses(stack.probabilities, stack.folds.label)
    means = losses.mean(axis=1)
    prior = float(entr(outcome_shares(stack.folds.label, stack.folds.n_outcomes)).sum())
    found = []
    for place, info in enumerate(stack.members):
        own = float(means[place])
        error = clustered_error(losses[place], stack.folds.group)
        others = [
            float(means[other])
            for other, each in enumerate(stack.members)
            if (each.recipe or each.name) != (info.recipe or info.name)
        ]
        if _beats_the_truth(losses[place], stack.folds):
            found.append(f"{info.name}: log loss {own:.4f}, less than the true probabilities reach: a leak")
        elif own < SUSPECT_SHARE * prior:
            found.append(f"{info.name}: log loss {own:.4f}, the class prior's is {prior:.4f}: does it know labels?")
        elif others and _lower_median(others) - own > max(SUSPECT_GAP, SUSPECT_ERRORS * error):
            found.append(f"{info.name}: log loss {own:.4f}, the others' median {_lower_median(others):.4f}: a leak?")
        elif own - prior > SUSPECT_ERRORS * error:
            found.append(_worse_than_prior(info.name, own, prior, stack.probabilities[place], stack.folds.label))
    return found


def _lower_median(values: Sequence[float]) -> float:
    return sorted(values)[(len(values) - 1) // 2]


def _beats_the_truth(losses: Floats, folds: Folds) -> bool:
    if folds.truth is None:
        return False
    beaten = losses - row_losses(folds.truth[:, 0], folds.label)
    return bool(beaten.mean() < -SUSPECT_ERRORS * clustered_error(beaten, folds.group))


def _worse_than_prior(name: str, own: float, prior: float, probabilities: Floats, label: NDArray[np.int8]) -> str:
    """Say so, and whether another order of the columns would be better than the prior."""
    told = f"{name}: log loss {own:.4f}, worse than the class prior's {prior:.4f}"
    orders = {order: float(row_losses(probabilities[:, order], label).mean()) for order in permutations(range(3))}
    best = min(orders, key=lambda order: orders[order])
    if orders[best] > prior:
        return told
    return f"{told}; with its columns in the order {list(best)} it would have {orders[best]:.4f}: are they mixed up?"
