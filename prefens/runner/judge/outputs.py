"""What judging leaves behind: files, and a table."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from rich.table import Table

from prefens.core.files import write_json, write_text
from prefens.ensemble.judging.benchmark import Benchmark
from prefens.ensemble.judging.scores import JudgeScore
from prefens.runner.console import escape

NAME = "judges"  # of a run of MLflow that has the scores alone
TITLE = "Judges ± half of 95 % intervals"
JUDGES = 3  # in one table: 100 columns
NO_NAME = re.compile(r"[^\w-]+")  # what the name of a metric has not
WIDTHS = (24, 21)  # of the first column, and of a judge's


def write_scores(benchmark: Benchmark, scores: Sequence[JudgeScore], notes: Sequence[str], out: Path) -> list[Path]:
    """Write judge.json and judge.csv, and return their paths."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [each.name for each in fields(JudgeScore)], lineterminator="\n")
    writer.writeheader()
    rows = [{name: None if _is_nan(value) else value for name, value in asdict(s).items()} for s in scores]
    writer.writerows(rows)
    content = {
        "pairs": len(benchmark.pairs), "decided": len(benchmark.decided), "prompts": len({*benchmark.group}),
        "notes": [*notes], "scores": rows,
    }  # fmt: skip
    return [write_json(out / "judge.json", content), write_text(out / "judge.csv", text.getvalue())]


def judge_tables(scores: Sequence[JudgeScore]) -> Iterator[Table]:
    """Yield tables with a row for each score and a column for each judge, three judges at a time."""
    judges = list(dict.fromkeys(score.judge for score in scores))
    order = list(dict.fromkeys((score.metric, score.subset) for score in scores))
    cells = {(score.judge, score.metric, score.subset): score for score in scores}
    for first in range(0, len(judges), JUDGES):
        part = judges[first : first + JUDGES]
        table = Table(title=TITLE)
        table.add_column("score", max_width=WIDTHS[0], overflow="fold")
        for judge in part:
            table.add_column(escape(judge), justify="right", max_width=WIDTHS[1], overflow="fold")
        table.add_column("of", justify="right")
        for metric, subset in order:
            row = [cells.get((judge, metric, subset)) for judge in part]
            if any(row):
                count = max(each.count for each in row if each is not None)
                name = escape(f"  {subset}" if subset else metric)
                table.add_row(name, *map(_cell, row), str(count))
        yield table


def metrics(scores: Sequence[JudgeScore]) -> dict[str, float]:
    """Return the scores on the whole benchmark for MLflow, by judge/metric; its names have few characters."""
    overall = [score for score in scores if not score.subset]
    return {"/".join(NO_NAME.sub("_", part) for part in (s.judge, s.metric)): s.value for s in overall}


def _cell(score: JudgeScore | None) -> str:
    if score is None:
        return "-"
    half = (score.high - score.low) / 2
    return f"{score.value:.3f}" + ("" if math.isnan(half) else f" ± {half:.3f}")


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
