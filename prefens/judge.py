"""python -m prefens.judge: how good judges are on a benchmark of pairs. See --help."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import JudgeConfig
from prefens.store.tracking.factory import Tracking


def main() -> None:
    app.run("judge", judge)


def judge(settings: JudgeConfig) -> app.Rows:
    """Score the judges, write judge.json and judge.csv, and print the table."""
    from prefens.core.errors import counted, printable
    from prefens.ensemble.judging.scores import score_judge, score_votes
    from prefens.runner.console import show
    from prefens.runner.judge.inputs import load_judge_inputs
    from prefens.runner.judge.outputs import NAME, judge_tables, metrics, write_scores
    from prefens.runner.sync import log_results

    tracking, out = config.build(settings.tracking, Tracking), Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    inputs = load_judge_inputs(settings, tracking)
    scores = [
        score
        for name, own in inputs.verdicts.items()
        for score in score_judge(inputs.benchmark, name, own.probabilities, own.swapped)
    ]
    scores += score_votes(inputs.benchmark)
    files = write_scores(inputs.benchmark, scores, inputs.notes, out)
    inputs.unfinished.remove()
    log_results(tracking, NAME, inputs.tags, files, metrics(scores))
    for table in judge_tables(scores):
        show(table)
    pairs, decided = counted(len(inputs.benchmark.pairs), "pair"), len(inputs.benchmark.decided)
    print(printable("\n".join([*inputs.notes, f"{pairs}, {decided} with a winner; see {out / 'judge.json'}"])))
    return [asdict(score) for score in scores]


if __name__ == "__main__":
    main()
