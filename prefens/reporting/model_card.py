"""The model card of a blend, in Markdown (after Mitchell et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefens.core.hashing import short
from prefens.core.metrics import outcome_shares
from prefens.core.types import Folds, Outcome
from prefens.reporting.html import render
from prefens.reporting.plots import NAMES


def model_card(described: Mapping[str, Any], folds: Folds, biases: Sequence[str], swap: str, version: str) -> str:
    """Return the card for the content of blend.json; `biases` and `swap` say what was measured."""
    best = next(item for item in described["methods"] if item["method"] == described["best"])
    honest, error = described["best_honest"], described["best_honest_se"]
    if honest is None:
        score = "Honest log loss not known: two folds leave none to choose the method on"
    else:
        score = f"Honest log loss **{honest:.4f} ± {error:.4f}** nats (lower is better)"
    if described["chosen_without_fold"]:
        score += ", the choice of the method made anew without each scored fold"
    scores = {f"of `{best['method']}` alone": f"{best['honest']:.4f} ± {best['honest_se']:.4f}"}
    scores |= {"on the rows it was fitted on": f"{best['fitted']:.4f}, too good by construction"}
    if "holdout" in best:
        scores |= {"on held-out rows": f"{best['holdout']:.4f}"}
    scores |= {
        f"less {name}": f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"
        for name, (value, low, high) in best["differences"].items()
    }
    shares = outcome_shares(folds.label, folds.n_outcomes)
    told = [
        member | seen for member, seen in zip(described["members"], described["diagnostics"]["members"], strict=True)
    ]
    return render(
        "model_card.md.j2",
        title=f"{best['method']} of {len(told)} members",
        version=version,
        score=f"{score}.",
        scores=scores,
        holdout=best.get("holdout"),
        rows=f"{described['n_pairs']:,}",
        data_digest=short(folds.data_digest),
        fold_digest=short(folds.digest),
        folds=f"{folds.k} {folds.settings['scheme']} folds, seed {folds.settings['seed']}",
        shares=", ".join(f"{NAMES[outcome]} {shares[outcome]:.1%}" for outcome in Outcome),
        members=sorted(told, key=lambda member: -float(member["weight"])),
        biases=biases,
        swap=swap,
        alarms=described["diagnostics"]["alarms"],
    )
