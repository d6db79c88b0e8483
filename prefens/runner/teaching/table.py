"""The table of a distillation: student and teacher side by side."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from prefens.core.errors import counted
from prefens.ensemble.distillation import Distillation


def distillation_table(distillation: Distillation) -> Table:
    """Student and teacher: log loss on honest rows with the interval of the difference, and what each costs."""
    title = f"{distillation.student}, taught by {distillation.source} (scheme {distillation.scheme})"
    costs = [distillation.student_cost, distillation.teacher_cost]
    timed = any(cost is not None and cost.seconds is not None for cost in costs)
    caption = DISTILLATION_CAPTION + (TIME_CAPTION if timed else "") if distillation.comparisons else NOT_COMPARED
    table = Table(title=escape(title), caption=caption)
    for name in ("", "student", "teacher", "student - teacher"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for each in distillation.comparisons:
        student, teacher = each.scores
        losses = [f"{own.log_loss:.4f} ± {own.log_loss_se:.4f}" for own in (student, teacher)]
        mean, low, high = each.difference()
        difference = f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]"
        table.add_row(f"log loss, {each.rows} ({counted(len(each.folds.ids), 'pair')})", *losses, escape(difference))
        table.add_row("calibration error", *(f"{own.calibration_error:.1%}" for own in (student, teacher)), "")
    if timed:
        times = ["" if cost is None or cost.seconds is None else f"{cost.seconds:.2f} s" for cost in costs]
        table.add_row("time for 1,000 pairs", *times, "")
    table.add_row("models", *("" if cost is None else str(cost.models) for cost in costs), "")
    table.add_row("size of the models", *("" if cost is None else f"{cost.megabytes:.3g} MB" for cost in costs), "")
    return table


DISTILLATION_CAPTION = (
    "log loss in nats ± standard error by prompt, on rows whose votes neither\n"
    "of them saw; the difference with its 95 % interval. size: without backbones\n"
    "that models refer to."
)
TIME_CAPTION = " time: models in memory, features computed anew."
NOT_COMPARED = (
    "No honest comparison: the teachers saw the votes of all scored rows, and no\n"
    "rows are held out, or the teacher says nothing of them. Train teacher and\n"
    "student with folds.holdout=0.2, or set teacher.scheme=nested."
)
