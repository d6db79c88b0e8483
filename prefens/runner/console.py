"""Tables for people, printed with rich; their JSON twins are for programs."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import markup
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from prefens.core.errors import counted, printable
from prefens.core.fold_run import FULL
from prefens.ensemble.leaderboard import LeaderboardRow
from prefens.ensemble.results import MemberDiagnosis, marked
from prefens.store.fold_status import FoldState, FoldStatus

if TYPE_CHECKING:
    from pathlib import Path

    from prefens.runner.results import FoldResult, Prediction, TrialRow
    from prefens.runner.sweep_status import SplitStatus, SweepStatus

CAPTION_WIDTH = 90  # characters of a line below a table, which may be narrower
TERMINAL = 100  # characters of a usual terminal
WIDEST = 200  # characters of a table
STYLES = {"member": "", "blend": "bold", "choice": "bold green", "reference": "dim"}
MALFORMED_SHOWN = 10  # rows
TRIALS_SHOWN = 20  # rows


def show(table: Table) -> None:
    """Print a table to stdout at its natural width: a narrow terminal may fold lines, but no number is cut."""
    table.box = SIMPLE_HEAD
    table.show_edge, table.pad_edge, table.collapse_padding = False, False, True  # two spaces between columns
    title, table.title = table.title, None  # lines of their own: a narrow table would break them
    caption, table.caption = table.caption, None
    console = Console()
    natural = Measurement.get(console, console.options.update(width=WIDEST, max_width=WIDEST), table).maximum
    if title:
        Console(width=max(natural, TERMINAL), highlight=False).print(title, style="italic")
    Console(width=natural).print(table)
    if caption:
        Console(width=max(natural, CAPTION_WIDTH), highlight=False).print(caption, style="dim italic", markup=False)
    print()


def escape(text: str) -> str:
    """Return a cell with a text that anybody may have written: neither rich nor the terminal obeys it."""
    return markup.escape(printable(text))


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return how a table names each member: backbone and seed, as in `minilm-l6 s0`, where that is unique."""
    short = {name: re.sub(r"-[0-9a-f]{8}-(s-?\d+)$", r" \1", name) for name in names}
    counts = Counter(short.values())
    return {name: brief if counts[brief] == 1 else name for name, brief in short.items()}


def fold_table(results: Sequence[FoldResult], n_outcomes: int = 3) -> Table:
    """One row per member: log loss of each fold in nats, their mean, accuracy, and training time."""
    folds = sorted({result.fold for result in results if result.fold is not None})
    full = any(result.fold is None for result in results)
    uniform = f"ln {n_outcomes} = {np.log(n_outcomes):.4f}"
    table = Table(title=f"Out-of-fold log loss in nats (lower is better; {uniform})")
    table.add_column("member", no_wrap=True)
    for name in [*(f"fold {fold}" for fold in folds), "mean", "accuracy", *(["all"] if full else []), "time"]:
        table.add_column(name, justify="right")
    if full:
        table.caption = "all: trained on all folds at once; its log loss is the hold-out's."
    for member, name in short_names(result.member for result in results).items():
        own = {result.fold: result for result in results if result.member == member}
        losses = [_number(own[fold].log_loss) if fold in own else "" for fold in folds]
        scored = [run for run in own.values() if run.fold is not None and run.log_loss is not None]
        loss = _number(_mean([run.log_loss for run in scored]))
        right = _mean([run.accuracy for run in scored])
        fit = [_number(own[None].log_loss) or "done" if None in own else ""] if full else []
        trained = [run.seconds for run in own.values() if run.trained]
        time = f"{sum(trained):.1f} s" if trained else "cached"
        shown = escape(marked(name, next(iter(own.values()))))
        table.add_row(shown, *losses, loss, "" if right is None else f"{right:.1%}", *fit, time)
    return table


def leaderboard_table(rows: Sequence[LeaderboardRow], title: str) -> Table:
    """One row per member, blend and reference; honest log loss orders them.

    Where columns of calibrations, of the hold-out and of another split take the room, comparisons and fitted losses are
    left to leaderboard.json.
    """
    compared = list(dict.fromkeys(name for row in rows for name in row.differences or {}))
    kinds = list(dict.fromkeys(kind for row in rows for kind in row.calibrated))
    columns = {"fitted": [row.fitted for row in rows], "hold-out": [row.holdout for row in rows]}
    others = list(dict.fromkeys(name for row in rows for name in row.other_split))
    columns |= {name: [row.other_split.get(name) for row in rows] for name in others}
    columns = {name: values for name, values in columns.items() if any(value is not None for value in values)}
    if kinds or others:
        compared = [] if "hold-out" in columns or (kinds and others) else compared[:1]
    if len(kinds) > 2 and others and "hold-out" in columns:
        columns.pop("fitted", None)
    table = Table(title=escape(title), caption=_leaderboard_caption(rows, bool(compared)))
    table.add_column("", no_wrap=True)
    scores = ["honest ± se", *(f"+{kind}".replace("temperature", "temp.") for kind in kinds), *columns, "acc.", "ECE"]
    for name in [*scores, *(f"vs {name}" for name in compared)]:
        table.add_column(name, justify="right", no_wrap=True)
    names = short_names(row.name for row in rows) | {"symmetric Bayes floor": "symmetric floor"}
    for place, row in enumerate(rows):
        cells = [f"{row.scores.log_loss:.4f} ± {row.scores.log_loss_se:.4f}"]
        cells += [_number(row.calibrated.get(kind)) for kind in kinds]
        cells += [_number(values[place]) for values in columns.values()]
        cells += [f"{row.scores.accuracy:.1%}", f"{row.scores.calibration_error:.1%}"]
        cells += [_interval((row.differences or {}).get(name)) for name in compared]
        name = escape(marked("nested selection" if row.kind == "choice" else names[row.name], row))
        table.add_row(name, *cells, style=STYLES[row.kind])
    return table


def _leaderboard_caption(rows: Sequence[LeaderboardRow], compared: bool) -> str:
    caption = "Log loss in nats ± standard error by prompt; lower is better."
    if compared:
        caption += " honest: blends cross-fitted.\nvs: 95 % interval of the difference."
    if any(row.other_split for row in rows):
        caption += "\nnew source, same sources: the same members in the other split; nothing is fitted on it."
    calibrated = any(row.calibrated for row in rows)
    if calibrated:
        caption += " +: calibrated."
    if any(row.kind == "choice" for row in rows):
        caption += " nested selection: what to expect" + ("." if calibrated else " of the best.")
    decided = [f"{row.name} {row.decided_accuracy:.1%}" for row in rows if row.decided_accuracy is not None]
    if decided:
        caption += "\nacc.: of the likeliest outcome, which ranks."
        caption += f"\ndecided accuracy, by the rule for ties that predict uses, cross-fitted: {decided[0]}."
    return escape(caption)


def show_status(status: SweepStatus, clear: bool) -> None:
    """Print the status of a sweep, on a cleared screen or below what is there."""
    if clear:
        print("\033[2J\033[H", end="")
    for split in status.splits:
        show(status_table(split))
        print(printable("\n".join(status_notes(split))))
    pending = status.jobs_not_begun
    if pending:
        first = printable(" ".join(pending[0]))
        print(f"the latest sweep has yet to begin {counted(len(pending), 'job')}, such as: {first}")
    sys.stdout.flush()


def status_table(status: SplitStatus) -> Table:
    """One row per member of a sweep, one column per fold: log loss in nats where it is done, else its state."""
    counts = [f"{count} {_words(state)}" for state in FoldState if (count := status.count(state))]
    seconds, gpu_hours = status.seconds_left(), status.hours("gpu")
    left = "unknown" if seconds is None else _duration(seconds)
    spent = f"{status.hours('cpu'):.2f} CPU-hours" + (f", {gpu_hours:.2f} GPU-hours" if gpu_hours else "")
    caption = f"{', '.join(counts) or 'no members'}.\nTime left, at the present pace: {left}. Spent: {spent}."
    table = Table(title=escape(status.split), caption=caption)
    table.add_column("member", no_wrap=True)
    for fold in range(max(map(len, status.members.values()), default=0)):
        table.add_column(f"fold {fold}", justify="right", no_wrap=True)
    if status.full:
        table.add_column("all", justify="right", no_wrap=True)
        table.caption = f"{caption}\nall: trained on all folds at once; its log loss is the hold-out's."
    names = short_names(status.members)
    for member in status.members:
        table.add_row(escape(marked(names[member], status.infos[member])), *map(_fold_cell, status.fits(member)))
    return table


def status_notes(status: SplitStatus) -> list[str]:
    """Return why each failed fold run failed, what is damaged, and why each member was discarded early, a line each."""
    lines = [f"damaged: {damage}" for damage in status.damage]
    for member, folds in status.members.items():
        for fold, run in enumerate(status.fits(member)):
            if run.state in (FoldState.failed, FoldState.collapsed, FoldState.died, FoldState.damaged):
                part = f"fold {fold}" if fold < len(folds) else FULL
                lines.append(f"{_words(run.state)}: {member} {part}: {run.note}")
        discarded = [run for run in folds if run.state is FoldState.discarded]
        lines += [f"{_words(run.state)}: {member}: {run.note}" for run in discarded[:1]]
    return lines


def _words(state: FoldState) -> str:
    """Return what tables call a state; status.json has an older word for one of them."""
    return "discarded early" if state is FoldState.discarded else state.value


def _fold_cell(run: FoldStatus) -> str:
    if run.log_loss is not None:
        return f"{run.log_loss:.4f}"
    styles = {FoldState.running: "yellow", FoldState.missing: "dim", FoldState.discarded: "dim"}
    style = styles.get(run.state, "red")
    text = f"running {_duration(run.seconds)}" if run.state is FoldState.running else _words(run.state).split()[0]
    return f"[{style}]{text}[/{style}]"


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if hours < 2 else f"{hours:.1f} h"


def member_table(members: Sequence[MemberDiagnosis]) -> Table:
    """One row per member: its weight with interval, what the blend loses without it, and who is most like it."""
    table = Table(title="What the weights of log_loss rest on", caption=MEMBER_CAPTION)
    table.add_column("", no_wrap=True)
    for name in ("log loss", "weight", "gain (leave\none out)", "most alike"):
        table.add_column(name, justify="left" if name == "most alike" else "right", no_wrap=True)
    names = short_names(row.member for row in members)
    for row in sorted(members, key=lambda row: -row.weight):
        alike = "" if row.most_alike is None else f"{row.correlation:.3f} {escape(names[row.most_alike])}"
        low, high = row.weight_interval
        weight = f"{row.weight:.3f} [{low:.3f}, {high:.3f}]"
        gain = "" if row.loo_gain is None else f"{row.loo_gain:+.4f}"
        name = escape(marked(names[row.member], row))
        table.add_row(name, f"{row.log_loss:.4f}", weight, gain, alike, style="red" if row.duplicate else "")
    return table


MEMBER_CAPTION = (
    "weight: with its 95 % interval. gain: how much the honest log loss rises without it.\n"
    "most alike: the highest correlation of errors; above 0.995 (red) two members say the same."
)


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if numbers else None


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _interval(difference: Sequence[float] | None) -> str:
    """Return the bounds of a paired difference; the difference itself is that of two honest scores."""
    return "" if difference is None else escape(f"[{difference[1]:+.3f},{difference[2]:+.3f}]")


def prediction_table(prediction: Prediction, path: Path) -> Table:
    """What a prediction did: rows, malformed ones by name, the blend, the mean probabilities."""
    table = Table(title=escape(f"Wrote {path}"), show_header=False)
    outcomes = zip(("A", "B", "tie"), prediction.mean_probabilities, strict=False)
    malformed, counts = prediction.malformed, (len(prediction.ids), prediction.predicted, len(prediction.malformed))
    table.add_row("rows", "{} ({} predicted, {} got the class prior)".format(*counts))
    for row in malformed[:MALFORMED_SHOWN]:
        table.add_row("malformed", escape(f"row {row.row} (id {row.id}): {row.problem}"))
    if len(malformed) > MALFORMED_SHOWN:
        table.add_row("", f"... and {len(malformed) - MALFORMED_SHOWN} more, listed in predict.json")
    for kind, count in (prediction.repaired or {}).items():
        table.add_row("repaired", f"{kind}: {counted(count, 'row')}")
    if prediction.fit is None:
        table.add_row("blend", escape(f"{prediction.method} of {', '.join(short_names(prediction.members).values())}"))
    else:
        table.add_row("member", escape(f"{prediction.method}, {prediction.fit}"))
    table.add_row("mean probabilities", ", ".join(f"{name} {value:.3f}" for name, value in outcomes))
    return table


def trial_table(rows: Sequence[TrialRow]) -> Table:
    """One row per trial of a search, best first: its loss, the hold-out's, the values it tried."""
    table = Table(title="Trials, best first", caption=TRIAL_CAPTION)
    fields = list(dict.fromkeys(name for row in rows for name in row.values))
    for name in ("trial", "log loss", "hold-out", "folds", *fields, "member"):
        table.add_column(name, justify="left" if name == "member" else "right", no_wrap=True)
    names = short_names(row.member for row in rows)
    for row in rows[:TRIALS_SHOWN]:
        values = [
            f"{value:.3g}" if isinstance(value, float) else escape(str(value)) for value in map(row.values.get, fields)
        ]
        complete = row.state == "complete"
        loss = _number(row.log_loss) if complete else f"{_number(row.log_loss)} {row.state}"
        cells = [str(row.trial), loss, _number(row.holdout), str(row.folds), *values]
        table.add_row(*cells, escape(marked(names[row.member], row)), style="" if complete else "dim")
    return table


TRIAL_CAPTION = (
    "log loss: out of fold, in nats; the best one of a search is too good. hold-out: on rows\n"
    "that no trial was chosen by. Pruned trials have the loss of their first folds."
)


def bundle_table(bundle: Mapping[str, Any], folder: str) -> Table:
    """What a bundle holds, and what is to be attached beside it."""
    from prefens.inference.attachments import Attachment

    table = Table(title=escape(f"Wrote {folder} ({bundle['megabytes']} MB)"), show_header=False)
    for name in ("method", "members", "wheels"):
        value = bundle[name]
        table.add_row(name, escape(value if isinstance(value, str) else "\n".join(value)))
    if bundle["attach"]:
        table.add_row("attach", escape("\n".join(str(Attachment(**each)) for each in bundle["attach"])))
    return table
