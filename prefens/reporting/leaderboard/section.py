"""The leaderboard as a section: how members and blends score, what they cost and what the best one rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from prefens.core.metrics import row_losses
from prefens.ensemble.blend import Blend
from prefens.ensemble.leaderboard import LeaderboardRow
from prefens.reporting.leaderboard.blend_plots import diagnosis_plots
from prefens.reporting.leaderboard.plots import curves_plot, folds_plot
from prefens.reporting.section import Plot, Section, Table
from prefens.store.run_record import RunResult

Runs = Mapping[str, Sequence[RunResult]]
Rows = Sequence[LeaderboardRow]
BY_CONSTRUCTION = 0  # unlike a measured 0.0, shown without decimals


def leaderboard_section(blend: Blend, runs: Runs, swap_gaps: Mapping[str, float]) -> Section:
    """Return the section.

    Parameters
    ----------
    runs : member -> its fold runs; members made elsewhere have none.
    swap_gaps : member -> the largest difference in probability when A and B change places, where it was measured.
    """
    rows = blend.leaderboard()
    tables = [_scores(blend, rows, runs, swap_gaps), _weights(blend), _differences(rows)]
    summary, plots = _summary(blend, rows, swap_gaps), _plots(blend, rows, runs)
    return Section("leaderboard", "Leaderboard", summary, [table for table in tables if table.rows], plots)


def cost(runs: Sequence[RunResult]) -> dict[str, float | int | str | None]:
    """Return what a member's fold runs took together: seconds, parameters of one model, training pairs a second."""
    if not runs:
        return {"seconds": None, "parameters": None, "pairs/s": None}
    seconds = sum(run.seconds for run in runs)
    pairs = sum(run.train_rows for run in runs)
    parameters = runs[0].metadata.get("parameters")
    return {
        "seconds": seconds,
        "parameters": parameters,
        "pairs/s": pairs / seconds if pairs and seconds else None,
    }


def _scores(blend: Blend, scored: Rows, runs: Runs, swap_gaps: Mapping[str, float]) -> Table:
    rows = []
    for row in scored:
        own, scores = runs.get(row.name, ()), row.scores
        trained = bool(own) or (row.kind == "blend" and all(runs.get(name) for name in blend.names))
        swapped = swap_gaps.get(row.name)
        best = row.kind == "blend" and row.name == blend.best.method
        rows.append(
            {
                "name": row.name,
                "honest": scores.log_loss,
                "± se": scores.log_loss_se,
                "fitted": row.fitted,
                "hold-out": row.holdout,
                "accuracy": scores.accuracy,
                "calibration": scores.calibration_error,
                "to prior": scores.below_prior,
                "to floor": scores.above_symmetric_bayes,
                "swap gap": swapped if swapped is not None else BY_CONSTRUCTION if trained else None,
                **cost(own),
                "_kind": "best" if best else row.kind,
            }
        )
    empty = {name for name in rows[0] if all(row[name] is None for row in rows)}
    kept = [{name: value for name, value in row.items() if name not in empty} for row in rows]
    return Table("Members, blends and points of reference", kept, NOTE, column_digits={"seconds": 0, "pairs/s": 0})


NOTE = (
    "Log loss in nats, lower is better; se: standard error clustered by prompt. honest: out of fold, blends "
    "cross-fitted on the members' folds; the only column to call a result. fitted: on rows that the weights saw. "
    "calibration: classwise expected calibration error. to prior: gain over always predicting the outcome shares; to "
    "floor: distance to the best predictor that cannot see which response is first (synthetic data alone). swap gap: "
    "largest change of a probability when A and B change places, measured on a sample of pairs; 0 without decimals: "
    "none, by construction. seconds: of all folds, prediction included; "
    "pairs/s: training pairs in that time. parameters: of one model, where they are counted."
)


def _weights(blend: Blend) -> Table:
    rows = [
        {
            "member": row.member,
            "log loss": row.log_loss,
            "weight": (row.weight, *row.weight_interval),
            "gain (leave one out)": row.loo_gain,
            "most alike": row.most_alike,
            "correlation": row.correlation,
        }
        for row in sorted(blend.members(), key=lambda row: -row.weight)
    ]
    note = (
        "weight: of the lowest log loss, with its 95 % interval by bootstrap over prompts. worth: how much the honest "
        "log loss rises without the member. most alike: the member whose errors correlate most with its own; above "
        "0.995 they say the same."
    )
    return Table("What the fitted weights rest on", rows, note, column_digits={"weight": 3, "correlation": 3})


def _differences(scored: Rows) -> Table:
    rows = [
        {"method": row.name, **{f"less {name}": difference for name, difference in row.differences.items()}}
        for row in scored
        if row.differences
    ]
    note = "Paired differences of honest log loss in nats, 95 % intervals by bootstrap over prompts; below 0 is better."
    return Table("Is the blend better?", rows, note)


def _summary(blend: Blend, rows: Rows, swap_gaps: Mapping[str, float]) -> list[str]:
    best = next(row.scores for row in rows if row.kind == "blend" and row.name == blend.best.method)
    sentence = (
        f"{blend.best.method} predicts best: honest log loss {best.log_loss:.4f} ± {best.log_loss_se:.4f} nats, "
        f"{best.below_prior:.4f} below the class prior"
    )
    if best.above_symmetric_bayes is not None:
        sentence += f" and {best.above_symmetric_bayes:.4f} above the floor of this synthetic data"
    sentences = [f"{sentence}."]
    sentences += [
        f"Chosen anew without each scored fold, the winner has {row.scores.log_loss:.4f} ± "
        f"{row.scores.log_loss_se:.4f}: what to expect of the best of several."
        for row in rows
        if row.kind == "choice"
    ]
    difference, low, high = blend.best.differences.get("best member", (0.0, 0.0, 0.0))
    verdict = "better than" if high < 0 else "worse than" if low > 0 else "not clearly different from"
    sentences.append(
        f"It is {verdict} the best single member on these rows: {difference:+.4f} [{low:+.4f}, {high:+.4f}] nats."
    )
    if swap_gaps:
        moved = swap_told([*swap_gaps.values()])
        sentences.append(f"Exchanging A and B {moved}: measured on a sample of pairs with the stored models.")
    return sentences + [f"Suspicious: {alarm}" for alarm in blend.diagnosis.alarms]


def swap_told(gaps: Sequence[float]) -> str:
    """Return in words by how much probabilities moved under swap."""
    return f"moved probabilities by {max(gaps):.1g} at most" if max(gaps) else "changed no probability"


def _plots(blend: Blend, rows: Rows, runs: Runs) -> list[Plot]:
    stack, label = blend.stack, blend.stack.folds.label
    losses = dict(zip(blend.names, row_losses(stack.probabilities, label), strict=True))
    losses |= {result.method: row_losses(result.probabilities, label) for result in blend.results}
    references = {row.name: row.scores.log_loss for row in rows if row.kind == "reference"}
    curves = {
        name: [run.curves["train_loss"] for run in own if run.curves.get("train_loss")] for name, own in runs.items()
    }
    methods = {result.method for result in blend.results}
    folds = folds_plot(losses, stack.folds.fold.astype(np.int64), methods, references)
    plots = [folds, curves_plot(curves, references["class prior"])]
    return [plot for plot in plots if plot is not None] + diagnosis_plots(blend.names, blend.diagnosis)
