"""python -m prefens.score: rewards of any number of answers to each prompt. See --help."""

from __future__ import annotations

import logging
from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import ScoreConfig
from prefens.store.tracking.factory import Tracking

log = logging.getLogger(__name__)


def main() -> None:
    app.run("score", score)


def score(settings: ScoreConfig) -> app.Rows:
    """Score the candidates of a file, write scores.jsonl and scores.parquet, print a summary."""
    from prefens.core.errors import ConfigError, counted
    from prefens.data.candidates import read_candidates
    from prefens.inference.candidate_scores import score_file
    from prefens.inference.saved_model import find_predictor
    from prefens.inference.scorer import member_predictor

    if settings.data.path is None or settings.max_pairs < 1:
        came = f"data.path={settings.data.path}, max_pairs={settings.max_pairs}"
        raise ConfigError(came, "a file of prompts with answers, and 1 pair or more", "add data.path=candidates.jsonl")
    rows, out = read_candidates(Path(settings.data.path)), Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)
    tracking, folders = config.build(settings.tracking, Tracking), config.backbone_folders(settings.backbones)
    digests = settings.data_digest, settings.fold_digest
    alone = settings.member if settings.model is None else None
    predictor = find_predictor(tracking, settings.model, alone or settings.method, *digests, folders)
    if settings.member not in (None, predictor.method):
        predictor = member_predictor(predictor, settings.member)
    scored = score_file(predictor, rows, out, settings.max_pairs, settings.ensemble)
    refused = [row for row in scored if row.problem]
    for row in refused[:10]:
        log.warning("%s is not scored: %s", row.id, row.problem)
    chosen = [row.chosen for row in scored if row.chosen is not None]
    totals = {"pair": "pairs", "likely tie": "ties", "cycle": "cycles"}
    pairs, ties, cycles = (counted(sum(getattr(row, of) for row in scored), noun) for noun, of in totals.items())
    print(
        f"Wrote {out / 'scores.jsonl'} and scores.parquet: {counted(len(scored) - len(refused), 'prompt')} scored by "
        f"{predictor.method}, {len(refused)} refused; {pairs} compared, {ties}, {cycles}"
        + (f"; the best answer is a chosen one for {sum(chosen) / len(chosen):.1%} of {len(chosen)}" if chosen else "")
    )
    return [{"scored": len(scored) - len(refused), "refused": len(refused)}]


if __name__ == "__main__":
    main()
