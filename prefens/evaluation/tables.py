"""Tables for people, printed with rich; their JSON twins are for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from prefens.evaluation.leaderboard import LeaderboardRow
from prefens.results import MemberDiagnosis


def show(table: Table) -> None:
    """Print a table to stdout at its natural width: a narrow terminal may fold lines, but no number is cut."""
    table.box, table.title_justify, table.caption_justify = SIMPLE_HEAD, "left", "left"
    console = Console()
    natural = Measurement.get(console, console.options.update(width=WIDEST, max_width=WIDEST), table).maximum
    Console(width=natural).print(table)


def fold_table(runs: Sequence[Mapping[str, Any]]) -> Table:
    """One row per member: log loss of each fold in nats, their mean, accuracy, and training time."""
    folds = sorted({run["fold"] for run in runs})
    table = Table(title="Out-of-fold log loss in nats (lower is better; ln 3 = 1.0986)")
    table.add_column("member", no_wrap=True)
    for name in [*(f"fold {fold}" for fold in folds), "mean", "accuracy", "time"]:
        table.add_column(name, justify="right")
    for member in dict.fromkeys(run["member"] for run in runs):
        own = {run["fold"]: run for run in runs if run["member"] == member}
        losses = [f"{own[fold]['log_loss']:.4f}" if fold in own else "" for fold in folds]
        mean, accuracy = (np.mean([run[name] for run in own.values()]) for name in ("log_loss", "accuracy"))
        spent = sum(run["seconds"] for run in own.values() if run["trained"])
        time = f"{spent:.1f} s" if any(run["trained"] for run in own.values()) else "was done"
        table.add_row(
            _titled(member, bool(next(iter(own.values())).get("tuned_on_oof"))),
            *losses,
            f"{mean:.4f}",
            f"{accuracy:.1%}",
            time,
        )
    return table


def leaderboard_table(rows: Sequence[LeaderboardRow], title: str) -> Table:
    """One row per member, blend and reference; honest log loss orders them."""
    table = Table(title=title, caption=CAPTION + (CHOICE if any(row.kind == "choice" for row in rows) else ""))
    numbers: dict[str, list[float | None]] = {
        "fitted": [row.fitted for row in rows],
        "hold-out": [row.holdout for row in rows],
        "accuracy": [row.scores.accuracy for row in rows],
        "ECE": [row.scores.calibration_error for row in rows],
        "to floor": [row.scores.above_symmetric_bayes for row in rows],
    }
    shown = {name: values for name, values in numbers.items() if any(value is not None for value in values)}
    kinds = list(dict.fromkeys(kind for row in rows for kind in row.calibrated))
    compared = list(dict.fromkeys(name for row in rows for name in row.differences or {}))
    table.add_column("", no_wrap=True)
    for name in ["honest ± se", *(f"+{kind}" for kind in kinds), *shown, *(f"vs {name}" for name in compared)]:
        table.add_column(name, justify="right", no_wrap=True)
    for place, row in enumerate(rows):
        cells = [f"{row.scores.log_loss:.4f} ± {row.scores.log_loss_se:.4f}"]
        cells += [_number(row.calibrated.get(kind)) for kind in kinds]
        cells += [_number(values[place]) for values in shown.values()]
        cells += [_difference((row.differences or {}).get(name)) for name in compared]
        table.add_row(_titled(row.name, bool(row.tuned_on_oof)), *cells, style=STYLES[row.kind])
    return table


def standing_table(about: Mapping[str, Any]) -> Table:
    """One row per member of a sweep, one column per fold: log loss in nats where it is done, else how it stands."""
    counts = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in about["counts"].items() if count)
    left = "unknown" if about["seconds_left"] is None else _duration(about["seconds_left"])
    spent = f"{about['cpu_hours']:.2f} CPU-hours" + (
        f", {about['gpu_hours']:.2f} GPU-hours" if about["gpu_hours"] else ""
    )
    caption = f"{counts or 'no members'}. Time left, at the present pace: {left}. Spent: {spent}."
    table = Table(title=about["split"], caption=caption)
    table.add_column("member", no_wrap=True)
    for fold in range(max(map(len, about["members"].values()), default=0)):
        table.add_column(f"fold {fold}", justify="right", no_wrap=True)
    for member, folds in about["members"].items():
        table.add_row(member, *map(_standing_cell, folds))
    return table


def standing_notes(about: Mapping[str, Any]) -> list[str]:
    """Return why each failed fold run failed, and why each member that lost its race was given up, a line each."""
    told = {"failed", "collapsed", "died"}
    lines = []
    for member, folds in about["members"].items():
        lines += [
            f"{fold['state']}: {member} fold {n}: {fold['note']}"
            for n, fold in enumerate(folds)
            if fold["state"] in told
        ]
        lines += sorted({f"given up: {member}: {fold['note']}" for fold in folds if fold["state"] == "given_up"})
    return lines


def _standing_cell(fold: Mapping[str, Any]) -> str:
    if fold["state"] == "done":
        return f"{fold['log_loss']:.4f}"
    style = {"running": "yellow", "missing": "dim", "given_up": "dim"}.get(fold["state"], "red")
    told = f" {_duration(fold['seconds'])}" if fold["state"] == "running" else ""
    return f"[{style}]{fold['state'].replace('_', ' ')}{told}[/{style}]"


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if hours < 2 else f"{hours:.1f} h"


WIDEST = 200  # characters
STYLES = {"member": "", "blend": "bold", "choice": "bold green", "reference": "dim"}
CAPTION = (
    "Log loss in nats, lower is better; ± standard error by prompt. honest: out of fold, blends cross-fitted on the "
    "members' folds. fitted: on rows that the blend saw, too good by construction. vs ...: paired difference of the "
    "honest scores, with its 95 % interval by bootstrap over prompts."
)
CHOICE = (
    " The best method's own score is that of a winner; the nested row, where the choice too is made without the scored "
    "fold, is what to expect of it."
)


def member_table(members: Sequence[MemberDiagnosis]) -> Table:
    """One row per member: its weight with interval, what the blend loses without it, and who is most like it."""
    table = Table(title="What the fitted weights rest on", caption=MEMBER_CAPTION)
    table.add_column("", no_wrap=True)
    for name in ("log loss", "weight", "worth", "most alike"):
        table.add_column(name, justify="left" if name == "most alike" else "right", no_wrap=True)
    for row in sorted(members, key=lambda row: -row.weight):
        alike = "" if row.most_alike is None else f"{row.correlation:.3f} {escape(row.most_alike)}"
        low, high = row.weight_interval
        weight = f"{row.weight:.3f} [{low:.3f}, {high:.3f}]"
        worth = "" if row.left_out is None else f"{row.left_out:+.4f}"
        style = "red" if row.duplicate else ""
        table.add_row(_titled(row.member, row.tuned_on_oof), f"{row.log_loss:.4f}", weight, worth, alike, style=style)
    return table


MEMBER_CAPTION = (
    "weight: of the lowest log loss, with its 95 % interval by bootstrap over prompts. worth: how much the honest log "
    "loss rises without the member. most alike: the highest correlation of errors with another member; above 0.995 "
    "(red) they say the same."
)


def _titled(name: str, tuned_on_oof: bool) -> str:
    """Return a member's name, marked where its settings were chosen by the rows that it is scored on."""
    return escape(f"{name} (tuned_on_oof)" if tuned_on_oof else name)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _difference(found: Sequence[float] | None) -> str:
    return "" if found is None else f"{found[0]:+.4f} [{found[1]:+.3f}, {found[2]:+.3f}]"


def prediction_table(summary: Mapping[str, Any]) -> Table:
    """What a prediction did: rows, malformed ones by name, the blend, the mean probabilities."""
    table = Table(title=f"Wrote {summary['submission']}", show_header=False)
    mean = ", ".join(
        f"{name} {value:.3f}" for name, value in zip(("A", "B", "tie"), summary["mean_probabilities"], strict=True)
    )
    table.add_row(
        "rows", f"{summary['rows']} ({summary['predicted']} predicted, {len(summary['malformed'])} got the class prior)"
    )
    for problem in summary["malformed"][:LISTED]:
        table.add_row("malformed", escape(f"row {problem['row']} (id {problem['id']}): {problem['problem']}"))
    if len(summary["malformed"]) > LISTED:
        table.add_row("", f"... and {len(summary['malformed']) - LISTED} more, listed in predict.json")
    for kind, count in summary["repaired"].items():
        table.add_row("repaired", f"{kind}: {count} rows")
    table.add_row("blend", f"{summary['method']} of {', '.join(summary['members'])}")
    table.add_row("mean probabilities", mean)
    return table


LISTED = 10  # malformed rows on the screen


def trial_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """One row per trial of a search, best first: its loss, the hold-out's, the values it tried."""
    table = Table(title="Trials, best first", caption=TRIAL_CAPTION)
    names = list(dict.fromkeys(name for row in rows for name in row["values"]))
    for name in ("trial", "log loss", "hold-out", "folds", *names, "member"):
        table.add_column(name, justify="left" if name == "member" else "right", no_wrap=True)
    for row in rows[:TRIALS_SHOWN]:
        values = [f"{value:.3g}" if isinstance(value, float) else str(value) for value in map(row["values"].get, names)]
        told = _number(row["log_loss"]) if row["state"] == "complete" else f"{_number(row['log_loss'])} {row['state']}"
        cells = [str(row["trial"]), told, _number(row["holdout"]), str(row["folds"]), *values]
        table.add_row(
            *cells,
            _titled(row["member"], bool(row.get("tuned_on_oof"))),
            style="dim" if row["state"] != "complete" else "",
        )
    return table


TRIALS_SHOWN = 20
TRIAL_CAPTION = (
    "log loss: out of fold, in nats; the best one of a search is too good. hold-out: on rows that no trial was chosen "
    "by. Pruned trials have the loss of their first folds."
)


def bundle_table(about: Mapping[str, Any], folder: str) -> Table:
    """What a bundle holds."""
    table = Table(title=f"Wrote {folder} ({about['megabytes']} MB)", show_header=False)
    for name in ("method", "members", "wheels"):
        value = about[name]
        table.add_row(name, value if isinstance(value, str) else "\n".join(value))
    return table
