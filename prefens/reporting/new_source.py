"""What a new source costs: scores on sources that were held out whole, beside those on prompts of known sources."""

from __future__ import annotations

from typing import Any

import numpy as np

from prefens.core.bootstrap import GroupBootstrap
from prefens.core.fold_run import is_by_source, training_rows
from prefens.core.metrics import log_loss
from prefens.core.types import Floats, Ints, Strings
from prefens.ensemble.blend import Blend
from prefens.ensemble.calibration import AcrossSources, cross_calibrate
from prefens.ensemble.leaderboard import prior_predictions
from prefens.reporting.section import ReportTable, Section

NOTE = (
    "Log loss in nats. trained on: rows of other sources whose prompt is not in this one, without data.extra's. new "
    "source: by folds=source, of the method that is best there, cross-fitted over sources. known sources: of the best "
    "method in the other split, whose members were trained on other prompts of the same source. cost: the difference "
    "on the same rows, with its 95 % interval by bootstrap over prompts. prior: always the outcome shares of the rows "
    "trained on, each outcome counted once more."
)
MEMBERS_NOTE = (
    "The same recipes and seeds in both splits. across sources: with a temperature and a tie rate that were fitted on "
    "the other sources."
)


def new_source_section(blend: Blend, other: Blend | None, resamples: int = 500) -> Section | None:
    """Return the section on what a new source costs; None where neither blend has folds that are sources.

    Parameters
    ----------
    blend : Blend
        The blend that is reported.
    other : Blend or None
        That of the same data in folds that are sources, or where these are, in others.
    resamples : int
        Of prompts, for the intervals.
    """
    by_source, by_prompt = (blend, other) if is_by_source(blend.folds) else (other, blend)
    if by_source is None or not is_by_source(by_source.folds):
        return None
    folds, names = by_source.stack.folds, [str(name) for name in by_source.folds.settings["sources"]]
    losses, reference = by_source.losses[by_source.best.method], _aligned(by_prompt, folds.ids)
    masks = {name: folds.fold == fold for fold, name in enumerate(names)} | {"all": np.ones(len(losses), dtype=bool)}
    prior = prior_predictions(folds)
    rows: list[dict[str, Any]] = []
    for name, mask in masks.items():
        trained_on = None if name == "all" else int(training_rows(folds, mask).sum())
        row: dict[str, Any] = {"source": name, "pairs": int(mask.sum()), "trained on": trained_on}
        row["new source"] = float(losses[mask].mean())
        if reference is not None:
            row |= {"known sources": float(np.nanmean(reference[mask])), "cost": None}
            both = mask & ~np.isnan(reference)
            if len(set(folds.group[both])) > 1:
                row["cost"] = _interval((losses - reference)[both], folds.group[both], resamples)
        rows.append(row | {"prior": log_loss(prior[mask], folds.label[mask])})
    tables = [ReportTable("What a new source costs", rows, NOTE), _members(by_source, by_prompt)]
    return Section(
        "new-source", "A new source", _summary(by_source, rows[-1]), [table for table in tables if table.rows]
    )


def _summary(by_source: Blend, row: dict[str, Any]) -> list[str]:
    sentences = [
        f"On a source that nothing was trained on, {by_source.best.method} has a log loss of "
        f"{row['new source']:.4f} nats; "
        f"always predicting the outcome shares of the other sources has {row['prior']:.4f}."
    ]
    if row.get("cost") is not None:
        cost, low, high = row["cost"]
        interval = f"{cost:+.4f} [{low:+.4f}, {high:+.4f}]"
        sentences.append(f"A new source costs {interval} nats: so much more than new prompts of known sources.")
    if by_source.nested is None and len(by_source.results) > 1:
        sentences.append(
            f"{by_source.best.method} is the best of {len(by_source.results)} methods on these rows, and "
            f"{by_source.folds.k} sources are too few to choose without the one that is scored: "
            "its figure is somewhat too good."
        )
    return sentences


def _members(by_source: Blend, by_prompt: Blend | None) -> ReportTable:
    """Return a table of the members: on new sources, calibrated across sources, and in the other split."""
    folds, label = by_source.stack.folds, by_source.stack.folds.label
    twins = {} if by_prompt is None else {(info.recipe, info.seed): info.name for info in by_prompt.stack.members}
    rows = []
    for info, own in zip(by_source.stack.members, by_source.stack.probabilities, strict=True):
        calibrated = cross_calibrate(AcrossSources, own, folds)
        row = {"member": info.name, "new source": log_loss(own, label), "across sources": log_loss(calibrated, label)}
        twin = twins.get((info.recipe, info.seed)) if info.backbone is not None else None  # not of external ones
        losses = None if twin is None else _aligned(by_prompt, folds.ids, twin)
        if by_prompt is not None:
            row["known sources"] = None if losses is None else float(np.nanmean(losses))
        rows.append(row)
    return ReportTable("Its members", rows, MEMBERS_NOTE)


def _aligned(blend: Blend | None, ids: Strings, name: str | None = None) -> Floats | None:
    """Return the losses of a blend's best method, or of a member, for the rows `ids`, (n,): NaN where it lacks one."""
    if blend is None:
        return None
    place = {id_: row for row, id_ in enumerate(blend.stack.folds.ids)}
    rows: Ints = np.array([place.get(id_, -1) for id_ in ids])
    if (rows < 0).all():
        return None
    losses = blend.losses[name or blend.best.method]
    return np.where(rows < 0, np.nan, losses[rows])


def _interval(difference: Floats, group: Strings, resamples: int) -> tuple[float, float, float]:
    ((low, high),) = GroupBootstrap(group, resamples).intervals(difference[None])
    return float(difference.mean()), float(low), float(high)
