"""The section on students: each beside its teacher, by loss, calibration and cost, and where they differ most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from prefens.core.errors import counted, printable
from prefens.core.types import Floats, Outcome, Pairs, outcomes
from prefens.ensemble.distillation import Comparison, Cost, Distillation, most_different
from prefens.reporting.plots import ACCENT, MUTED, OUTCOME_TITLES, WARM, new_figure
from prefens.reporting.section import Plot, ReportTable, Section
from prefens.reporting.students.records import StudentRecords

MAX_DETAILED = 4  # students with a figure and a table of pairs: the best ones
MAX_PAIRS = 12  # in that table
MAX_CHARS = 48  # of a text in it
NOTE = (
    "Log loss in nats, lower is better. difference: of student and teacher on the same rows, with its 95 % interval by "
    "prompts. hold-out: rows that neither saw; the student predicts them with the one model of its full fit. out of "
    "fold: by teachers that saw neither the row nor the student's fold (teacher.scheme=nested). error: that of "
    "calibration, classwise, in points."
)
COST_NOTE = "seconds: for 1,000 pairs, with the models in memory and all features computed anew, on one machine."
PAIRS_NOTE = "distance: the total variation between both predictions, 0 to 1. A / B / tie in percent; texts are cut."


def students_section(records: StudentRecords, pairs: Pairs | None = None) -> Section | None:
    """Return the section on the students of a store; None where none was compared with its teacher.

    Parameters
    ----------
    records : StudentRecords
        What the store has of them.
    pairs : Pairs or None
        The pairs of the split, for the table of those that both see differently; None leaves it out.
    """
    if not records.distillations and not records.refused:
        return None
    ordered = sorted(records.distillations, key=_place)
    scored = [(each, compared) for each in ordered for compared in each.comparisons]
    rows = [_row(each, compared, compared.difference()) for each, compared in scored]
    detailed = ordered[:MAX_DETAILED]
    tables = [
        ReportTable("Student and teacher", rows, NOTE, column_digits={"pairs": 0, "error": 1, "teacher's error": 1}),
        _costs(ordered),
    ]
    tables += [] if pairs is None else [_pairs_table(each, pairs) for each in detailed]
    return Section(
        "students",
        "Students and their teachers",
        [*_sentences(rows, ordered), *(f"Not shown: {printable(reason)}." for reason in records.refused.values())],
        [table for table in tables if table.rows],
        [reliability_plot(each) for each in detailed],
    )


def _place(distillation: Distillation) -> tuple[float, int]:
    """Return the key of the order: the loss on the hold-out, where there is one; then what is known of more rows."""
    compared = distillation.comparisons
    return compared[-1].scores[0].log_loss, -len(compared)


def _sentences(rows: Sequence[dict[str, Any]], ordered: Sequence[Distillation]) -> list[str]:
    if not rows:
        return ["No student's comparison with its teacher can be shown."]
    first, cost = rows[0], [ordered[0].student_cost, ordered[0].teacher_cost]
    mean, low, high = first["difference"]
    worse = "above" if mean > 0 else "below"
    clear = "" if low * high > 0 else ", which may be chance"
    lines = [
        f"{first['student']} has a log loss of {first['loss']:.4f} nats alone ({first['rows']}), "
        f"{abs(mean):.4f} {worse} its teacher's [{low:+.4f}, {high:+.4f}]{clear}."
    ]
    if cost[0] is not None and cost[1] is not None:
        speed = "" if not cost[0].seconds or not cost[1].seconds else f", and {cost[1].seconds / cost[0].seconds:.1f} x"
        lines.append(
            f"It predicts with {_models(cost[0])} in place of {_models(cost[1])}{speed and speed + ' the speed'}."
        )
    if len(ordered) > MAX_DETAILED:
        lines.append(
            f"Figures and pairs are shown of {MAX_DETAILED} of {len(ordered)} students, those of the best loss."
        )
    return lines


def _models(cost: Cost) -> str:
    return f"{cost.models} model{'' if cost.models == 1 else 's'} ({cost.megabytes:.3g} MB)"


def _row(distillation: Distillation, compared: Comparison, difference: tuple[float, float, float]) -> dict[str, Any]:
    student, teacher = compared.scores
    return {
        "student": printable(distillation.student),
        "teacher": _teacher(distillation),
        "scheme": printable(distillation.scheme),
        "rows": compared.rows,
        "pairs": len(compared.folds.ids),
        "loss": student.log_loss,
        "teacher's loss": teacher.log_loss,
        "difference": difference,
        "error": 100 * student.calibration_error,
        "teacher's error": 100 * teacher.calibration_error,
    }


def _teacher(distillation: Distillation) -> str:
    members = f" of {counted(len(distillation.members), 'member')}" if distillation.source == "blend" else ""
    return f"{printable(distillation.source)}{members}"


def _costs(ordered: Sequence[Distillation]) -> ReportTable:
    rows = [
        {"predictor": who, "models": cost.models, "MB": cost.megabytes, "seconds": cost.seconds}
        for each in ordered
        for who, cost in (
            (printable(each.student), each.student_cost),
            (f"its teacher: {_teacher(each)}", each.teacher_cost),
        )
        if cost is not None
    ]
    return ReportTable("What each costs", rows, COST_NOTE, digits=2, column_digits={"models": 0})


def _pairs_table(distillation: Distillation, pairs: Pairs) -> ReportTable:
    compared = distillation.comparisons[0]
    place = {id_: row for row, id_ in enumerate(pairs.ids)}
    distance = np.abs(compared.student - compared.teacher).sum(axis=1) / 2.0
    rows = []
    for row in most_different(compared, MAX_PAIRS).tolist():
        at = place[compared.folds.ids[row]]
        texts = {"prompt": pairs.prompt, "response A": pairs.response_a, "response B": pairs.response_b}
        rows.append(
            {
                "id": printable(str(compared.folds.ids[row])),
                "vote": OUTCOME_TITLES[Outcome(compared.folds.label[row])],
                "student": _percent(compared.student[row]),
                "teacher": _percent(compared.teacher[row]),
                "distance": float(distance[row]),
                **{name: _cut(" ".join(" ".join(turns[at]).split())) for name, turns in texts.items()},
            }
        )
    title = f"Where {printable(distillation.student)} and its teacher differ most ({compared.rows})"
    return ReportTable(title, rows, PAIRS_NOTE, digits=2)


def _percent(probabilities: Floats) -> str:
    return " / ".join(f"{100 * value:.0f}" for value in probabilities)


def _cut(text: str) -> str:
    return printable(text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}")


def reliability_plot(distillation: Distillation, bins: int = 8) -> Plot:
    """Draw how often what student and teacher predict came true, per outcome.

    Each point is the mean of rows of similar predicted probability; bars are two binomial standard errors.
    """
    compared = distillation.comparisons[0]
    shown = outcomes(compared.folds.n_outcomes)
    figure = new_figure(8.0, 3.4)
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for own, name, color in ((compared.student, "student", ACCENT), (compared.teacher, "teacher", WARM)):
        for axes, outcome in zip(panels, shown, strict=True):
            happened = compared.folds.label == outcome
            parts = [part for part in np.array_split(np.argsort(own[:, outcome], kind="stable"), bins) if len(part)]
            share = np.array([happened[part].mean() for part in parts])
            bar = 2.0 * np.sqrt(share * (1.0 - share) / np.array([len(part) for part in parts]))
            mean = [own[part, outcome].mean() for part in parts]
            axes.errorbar(mean, share, yerr=bar, marker="o", markersize=4, elinewidth=1, color=color, label=name)
    for axes, outcome in zip(panels, shown, strict=True):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
        axes.set(title=OUTCOME_TITLES[outcome], xlabel="predicted probability", xlim=(0, 1), ylim=(0, 1))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set(ylabel="share that happened")
    panels[0].legend(frameon=False)
    errors = [100 * own.calibration_error for own in compared.scores]
    finding = (
        f"{printable(distillation.student)} is off by {errors[0]:.1f} points on average ({compared.rows}), "
        f"its teacher by {errors[1]:.1f}"
    )
    return Plot(f"student-{distillation.student}", finding, figure)
