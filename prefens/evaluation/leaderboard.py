"""The leaderboard: members, blends and reference points on the same rows, as rows for tables and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import entr

from prefens.evaluation.bootstrap import GroupBootstrap
from prefens.evaluation.metrics import accuracy, calibration_error, clustered_error, log_loss, row_losses
from prefens.records import Floats, Folds, OOFStack
from prefens.results import BlendResult, Choice


def leaderboard(
    stack: OOFStack,
    blends: Sequence[BlendResult],
    holdout: Sequence[float] | None = None,
    choice: Choice | None = None,
) -> list[dict[str, Any]]:
    """Return one row per member, blend and reference, and one for the nested choice; best honest log loss first.

    Each row has name, kind ("member", "blend", "choice", "reference") and the scores of `scores`; blends also have
    fitted (in-sample) log loss, weights, and differences to the best member and the soft vote with their intervals.
    `holdout` has the members' log loss in nats on the held-out rows; rows with a hold-out have it.
    """
    rows: list[dict[str, Any]] = [
        {"name": info.name, "kind": "member", "tuned_on_oof": info.tuned_on_oof}
        | {**scores(stack.probabilities[place], stack.folds)}
        | ({} if holdout is None else {"holdout": holdout[place]})
        for place, info in enumerate(stack.members)
    ]
    for blend in blends:
        row = {
            "name": blend.method,
            "kind": "blend",
            **scores(blend.probabilities, stack.folds),
            "fitted": blend.fitted,
            "differences": _listed(blend),
        }
        rows.append(
            row
            | ({} if blend.holdout is None else {"holdout": blend.holdout})
            | {"weights": named_weights(stack, blend)}
        )
    if choice is not None:
        row = {"name": f"best of {choice.methods}, nested", "kind": "choice"}
        row |= {**scores(choice.probabilities, stack.folds), "differences": _listed(choice)}
        rows.append(row)
    return sorted(rows, key=lambda row: float(row["log_loss"])) + references(stack.folds)


def member_losses(stack: OOFStack | None) -> list[float] | None:
    """Return the log loss of each member of a stack in nats, or None without a stack."""
    return None if stack is None else [log_loss(own, stack.folds.label) for own in stack.probabilities]


def references(folds: Folds) -> list[dict[str, Any]]:
    """Return the points of reference: the class prior and, where the truth is known, what nobody can beat."""
    known = [("class prior", prior_predictions(folds))]
    if folds.truth is not None:
        known += [("symmetric Bayes floor", folds.truth[:, 1]), ("Bayes floor", folds.truth[:, 0])]
    return [
        {"name": name, "kind": "reference", **scores(probabilities, folds), "expected": mean_entropy(probabilities)}
        for name, probabilities in known
    ]


def mean_entropy(probabilities: Floats) -> float:
    """Return the log loss in nats that (n, 3) probabilities expect of themselves: free of the luck of the labels."""
    return float(entr(probabilities).sum(axis=1).mean())


def scores(probabilities: Floats, folds: Folds) -> dict[str, float]:
    """Return the scores of (n, 3) predictions for the rows of `folds`.

    log_loss in nats and log_loss_se, its standard error clustered by prompt group; accuracy and
    calibration_error in [0, 1]; below_prior, the gain over always predicting the outcome shares; and, where the
    truth is known, the distance to the log loss of the true probabilities on the same rows: above_bayes, and
    above_symmetric_bayes for the best predictor that cannot see which response is shown first.
    """
    losses = row_losses(probabilities, folds.label)
    found = {
        "log_loss": float(losses.mean()),
        "log_loss_se": clustered_error(losses, folds.group),
        "accuracy": accuracy(probabilities, folds.label),
        "calibration_error": calibration_error(probabilities, folds.label),
        "below_prior": log_loss(prior_predictions(folds), folds.label) - float(losses.mean()),
    }
    if folds.truth is not None:
        for place, name in enumerate(("above_bayes", "above_symmetric_bayes")):
            found[name] = found["log_loss"] - log_loss(folds.truth[:, place], folds.label)
    return found


def prior_predictions(folds: Folds) -> Floats:
    """Return (n, 3) copies of the outcome shares of these rows."""
    counts = np.bincount(folds.label, minlength=3)
    return np.tile(counts / counts.sum(), (len(folds.label), 1))


def with_differences(
    stack: OOFStack, blends: Sequence[BlendResult], choice: Choice | None, bootstrap: GroupBootstrap
) -> tuple[list[BlendResult], Choice | None]:
    """Return blends and choice with their paired differences to the best member and the soft vote of the stack.

    The best member is the best on these rows, which favours it.
    """
    label = stack.folds.label
    members = row_losses(stack.probabilities, label).mean(axis=1)
    references = {
        "best member": row_losses(stack.probabilities[int(np.argmin(members))], label),
        "soft vote": row_losses(stack.probabilities.mean(axis=0), label),
    }
    every: list[BlendResult | Choice] = [*blends, *([] if choice is None else [choice])]
    losses = [row_losses(each.probabilities, label) for each in every]
    paired = np.stack([own - reference for own in losses for reference in references.values()])
    bounds = bootstrap.intervals(paired)
    found = [
        (float(mean), float(low), float(high)) for mean, (low, high) in zip(paired.mean(axis=1), bounds, strict=True)
    ]
    width = len(references)
    told = [dict(zip(references, found[first : first + width], strict=True)) for first in range(0, len(found), width)]
    compared = [replace(blend, differences=each) for blend, each in zip(blends, told, strict=False)]
    return compared, None if choice is None else replace(choice, differences=told[-1])


def _listed(found: BlendResult | Choice) -> dict[str, list[float]]:
    return {name: list(values) for name, values in found.differences.items()}


def named_weights(stack: OOFStack, blend: BlendResult) -> Mapping[str, float] | None:
    """Return a blend's weights by member name, or None."""
    if blend.weights is None:
        return None
    return {info.name: float(weight) for info, weight in zip(stack.members, blend.weights, strict=True)}
