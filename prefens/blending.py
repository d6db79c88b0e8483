"""What a blend is made from and leaves behind: its members, their data, blend.json and the tracking."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefens import config
from prefens.data.folds import data_digest
from prefens.data.sources import Source
from prefens.digest import short
from prefens.errors import StoreError
from prefens.evaluation.leaderboard import named_weights
from prefens.evaluation.metrics import row_losses
from prefens.records import BlendResult, Folds, OOFStack
from prefens.serving import save_best
from prefens.trackers import make_tracker
from prefens.tracking.oof_store import MemberSpec, SplitStore

log = logging.getLogger(__name__)


def record(
    split: SplitStore, tracking: config.Tracking, found: dict[str, Any], files: Sequence[Path], model: bool = True
) -> None:
    """Store the blend for predictions, with its best rule as one `model` if wanted, and track it."""
    split.put_blend(found)
    saved = save_best(split) if model else None
    metrics = {f"{item['method']}_{name}": item[name] for item in found["methods"] for name in ("honest", "fitted")}
    tags = {f"prefens.{name}": found[name] for name in ("data_digest", "fold_digest", "best")}
    name = f"blend of {len(found['members'])}"
    make_tracker(tracking).log_blend(name, metrics | {"oof_log_loss": found["best_honest"]}, tags, files, saved)


def describe(stack: OOFStack, results: Sequence[BlendResult], folds: Folds) -> dict[str, Any]:
    """Return the content of blend.json; log loss in nats."""
    losses = row_losses(stack.probabilities, stack.folds.label).mean(axis=1)
    best = min(results, key=lambda result: result.honest)
    methods: list[dict[str, Any]] = []
    for result in results:
        scores = {
            "method": result.method,
            "fitted": result.fitted,
            "honest": result.honest,
            "honest_se": result.honest_se,
        }
        scores |= {} if result.holdout is None else {"holdout": result.holdout}
        methods.append({**scores, "weights": named_weights(stack, result), "state": dict(result.state)})
    return {
        "n_pairs": len(stack.folds.ids),
        "data_digest": folds.data_digest,
        "fold_digest": folds.digest,
        "members": [
            {"member": info.name, "backbone": info.backbone, "seed": info.seed, "log_loss": float(loss)}
            for info, loss in zip(stack.members, losses, strict=True)
        ],
        "methods": methods,
        "best": best.method,
        "best_honest": best.honest,
    }


def complete_members(split: SplitStore, names: Sequence[str]) -> list[MemberSpec]:
    """Return the members to blend: those named, or every complete one; incomplete ones are told."""
    specs = list(split.members())
    unknown = sorted(set(names) - {spec.name for spec in specs})
    if unknown:
        raise StoreError(
            f"no member {', '.join(unknown)}",
            f"names among {', '.join(spec.name for spec in specs)}",
            "correct members=",
        )
    chosen = []
    for spec in specs:
        missing = sorted(set(range(split.folds.k)) - set(split.finished_folds(spec)))
        if spec.name in names and missing:
            raise StoreError(
                f"member {spec.name} lacks folds {missing}", "all folds", "train them, or leave the member out"
            )
        if missing:
            log.warning("left out: %s lacks folds %s", spec.name, missing)
        elif not names or spec.name in names:
            chosen.append(spec)
    return chosen


def check_data(settings: config.BlendConfig, folds: Folds) -> None:
    """Refuse a data.path whose pairs are not those of the store."""
    if settings.data.get("path") is None:
        return
    source: Source = config.build(settings.data)
    given = data_digest(source.load(labelled=True).pairs)
    if given != folds.data_digest:
        raise StoreError(
            f"{settings.data.path}: data {short(given)}",
            f"data {short(folds.data_digest)}, as stored",
            "correct data.path",
        )
