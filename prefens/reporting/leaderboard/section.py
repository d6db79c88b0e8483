"""The leaderboard as a section of the report: scores and costs of members and blends, and the weights of the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prefens.ensemble.blend import Blend
from prefens.ensemble.leaderboard import LeaderboardRow
from prefens.ensemble.results import marked
from prefens.reporting.leaderboard.blend_plots import diagnosis_plots
from prefens.reporting.leaderboard.fold_runs import FoldRuns, total_cost
from prefens.reporting.leaderboard.plots import curves_plot, folds_plot
from prefens.reporting.section import Plot, ReportTable, Section

Rows = Sequence[LeaderboardRow]
BY_CONSTRUCTION = 0  # an int is shown without decimals, unlike a gap that was measured as 0.0
SCORES_NOTE = (
    "Log loss in nats, lower is better; se: standard error clustered by prompt. honest: out of fold, blends "
    "cross-fitted on the members' folds; the only column to call a result. fitted: on rows that the weights saw. "
    "calibration: classwise expected calibration error. to prior: gain over always predicting the outcome shares (by "
    "source: those of the rows trained on); to floor: distance to the best predictor that cannot see which response "
    "is first (synthetic data alone). swap gap: largest change of a probability when A and B change places, measured "
    "on a sample of pairs; 0 without decimals: none, by construction. seconds: of all folds, prediction included; "
    "pairs/s: training pairs in that time. parameters: of one model, where they are counted."
)
WEIGHTS_NOTE = (
    "weight: in the average with the lowest log loss, whichever method predicts; with its 95 % interval by bootstrap "
    "over prompts. gain (leave one out): how much the honest log loss rises without the member. most alike: the member "
    "whose errors correlate most with its own; above 0.995 they say the same."
)
DIFFERENCES_NOTE = (
    "Paired differences of honest log loss in nats, 95 % intervals by bootstrap over prompts; below 0 is better."
)


def leaderboard_section(blend: Blend, runs: FoldRuns, swap_gaps: Mapping[str, float]) -> Section:
    """Return the section on the scores of a blend and of its members.

    Parameters
    ----------
    blend : Blend
        The blend.
    runs : mapping from str to sequence of FoldRun
        From a member to its fold runs; external members have none.
    swap_gaps : mapping from str to float
        From a member to its largest change in probability when A and B change places, where it was measured.
    """
    rows = blend.leaderboard
    tables = [_scores(blend, rows, runs, swap_gaps), _weights(blend), _differences(rows)]
    return Section(
        "leaderboard",
        "Leaderboard",
        _summarize(blend, rows, swap_gaps),
        [table for table in tables if table.rows],
        _plots(blend, rows, runs),
    )


def swap_sentence(gaps: Sequence[float]) -> str:
    """Return how much probabilities changed under swap, in words: the predicate of "exchanging A and B"."""
    return f"moved probabilities by {max(gaps):.1g} at most" if max(gaps) else "changed no probability"


def _scores(blend: Blend, leaderboard: Rows, runs: FoldRuns, swap_gaps: Mapping[str, float]) -> ReportTable:
    rows: list[dict[str, Any]] = []
    for row in leaderboard:
        member_runs, scores = runs.get(row.name, ()), row.scores
        ours = bool(member_runs) or (row.kind == "blend" and all(runs.get(name) for name in blend.names))
        is_best = row.kind == "blend" and row.name == blend.best.method
        cost = total_cost(member_runs)
        rows.append(
            {
                "name": marked(row.name, row),
                "honest": scores.log_loss,
                "± se": scores.log_loss_se,
                "fitted": row.fitted,
                "hold-out": row.holdout,
                "accuracy": scores.accuracy,
                "calibration": scores.calibration_error,
                "to prior": scores.below_prior,
                "to floor": scores.above_symmetric_bayes,
                "swap gap": swap_gaps.get(row.name, BY_CONSTRUCTION if ours else None),
                "seconds": cost.seconds,
                "parameters": cost.parameters,
                "pairs/s": cost.pairs_per_second,
                "_kind": "best" if is_best else row.kind,
            }
        )
    empty = {name for name in rows[0] if all(row[name] is None for row in rows)}
    rows = [{name: value for name, value in row.items() if name not in empty} for row in rows]
    title = "Members, blends and points of reference"
    return ReportTable(title, rows, SCORES_NOTE, column_digits={"seconds": 0, "pairs/s": 0})


def _weights(blend: Blend) -> ReportTable:
    rows = [
        {
            "member": marked(row.member, row),
            "log loss": row.log_loss,
            "weight": (row.weight, *row.weight_interval),
            "gain (leave one out)": row.loo_gain,
            "most alike": row.most_alike,
            "correlation": row.correlation,
        }
        for row in sorted(blend.members, key=lambda row: -row.weight)
    ]
    digits = {"weight": 3, "correlation": 3}
    return ReportTable("What the weights of log_loss rest on", rows, WEIGHTS_NOTE, column_digits=digits)


def _differences(leaderboard: Rows) -> ReportTable:
    rows = [
        {"method": row.name, **{f"less {name}": difference for name, difference in row.differences.items()}}
        for row in leaderboard
        if row.differences
    ]
    return ReportTable("Is the blend better?", rows, DIFFERENCES_NOTE)


def _summarize(blend: Blend, leaderboard: Rows, swap_gaps: Mapping[str, float]) -> list[str]:
    name = blend.best.method
    scores = next(row.scores for row in leaderboard if row.kind == "blend" and row.name == name)
    by_accuracy = "" if blend.metric == "log_loss" else f"accuracy {scores.accuracy:.1%}, by which it was chosen, and "
    sentence = (
        f"{name} predicts best: {by_accuracy}honest log loss {scores.log_loss:.4f} ± {scores.log_loss_se:.4f} nats, "
        f"{abs(scores.below_prior):.4f} {'below' if scores.below_prior >= 0 else 'above'} the class prior"
    )
    if scores.above_symmetric_bayes is not None:
        sentence += f" and {scores.above_symmetric_bayes:.4f} above the floor of this synthetic data"
    sentences = [f"{sentence}."]
    sentences += [
        f"Chosen anew without each scored fold, the winner has {row.scores.log_loss:.4f} ± "
        f"{row.scores.log_loss_se:.4f}: what to expect of the best of several."
        for row in leaderboard
        if row.kind == "choice"
    ]
    difference, low, high = blend.best.differences.get("best member", (0.0, 0.0, 0.0))
    verdict = "better than" if high < 0 else "worse than" if low > 0 else "not clearly different from"
    sentences.append(
        f"It is {verdict} the best single member on these rows: {difference:+.4f} [{low:+.4f}, {high:+.4f}] nats."
    )
    if swap_gaps:
        change = swap_sentence([*swap_gaps.values()])
        sentences.append(f"Exchanging A and B {change}: measured on a sample of pairs with the stored models.")
    return sentences + [f"Suspicious: {alarm}" for alarm in blend.diagnosis.alarms]


def _plots(blend: Blend, leaderboard: Rows, runs: FoldRuns) -> list[Plot]:
    references = {row.name: row.scores.log_loss for row in leaderboard if row.kind == "reference"}
    curves = {
        name: [run.train_loss for run in member_runs if len(run.train_loss)] for name, member_runs in runs.items()
    }
    methods = {result.method for result in blend.results}
    folds = folds_plot(blend.losses, blend.stack.folds.fold.astype(np.int64), methods, references)
    plots = [folds, curves_plot(curves, references["class prior"])]
    return [plot for plot in plots if plot is not None] + diagnosis_plots(blend.names, blend.diagnosis)
