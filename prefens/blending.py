"""What a blend leaves behind: blend.json and the tracking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefens import config
from prefens.evaluation.leaderboard import named_weights
from prefens.evaluation.metrics import row_losses
from prefens.records import BlendResult, Folds, OOFStack
from prefens.trackers import make_tracker
from prefens.tracking.oof_store import SplitStore


def record(split: SplitStore | None, tracking: config.Tracking, found: dict[str, Any], files: Sequence[Path]) -> None:
    """Store the blend for predictions, where there is a store, and track it."""
    if split is not None:
        split.put_blend(found)
    metrics = {f"{item['method']}_{name}": item[name] for item in found["methods"] for name in ("honest", "fitted")}
    tags = {f"prefens.{name}": found[name] for name in ("data_digest", "fold_digest", "best")}
    name = f"blend of {len(found['members'])}"
    make_tracker(tracking).log_blend(name, metrics | {"oof_log_loss": found["best_honest"]}, tags, files)


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
