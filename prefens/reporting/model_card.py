"""The model card of a blend, in Markdown (after Mitchell et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

from prefens.core.hashing import short
from prefens.core.metrics import outcome_shares
from prefens.core.types import Outcome
from prefens.ensemble.blend import Blend
from prefens.reporting.html import render
from prefens.reporting.plots import NAMES


def model_card(blend: Blend, biases: Sequence[str], swap: str, version: str) -> str:
    """Return the card of a blend; `biases` and `swap` say what was measured."""
    best, folds, expected = blend.best, blend.folds, blend.expected
    if expected is None:
        score = "Honest log loss not known: two folds leave none to choose the method on"
    else:
        score = f"Honest log loss **{expected.honest:.4f} ± {expected.honest_se:.4f}** nats (lower is better)"
    if blend.nested is not None:
        score += ", the choice of the method made anew without each scored fold"
    scores = {f"of `{best.method}` alone": f"{best.honest:.4f} ± {best.honest_se:.4f}"}
    scores |= {"on the rows it was fitted on": f"{best.fitted:.4f}, too good by construction"}
    if best.holdout is not None:
        scores |= {"on held-out rows": f"{best.holdout:.4f}"}
    scores |= {
        f"less {name}": f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"
        for name, (value, low, high) in best.differences.items()
    }
    shares = outcome_shares(folds.label, folds.n_outcomes)
    members = [
        {"backbone": info.backbone, "seed": info.seed, **row.as_dict()}
        for info, row in zip(blend.stack.members, blend.members(), strict=True)
    ]
    return render(
        "model_card.md.j2",
        title=f"{best.method} of {len(members)} members",
        version=version,
        score=f"{score}.",
        scores=scores,
        holdout=best.holdout,
        rows=f"{len(blend.stack.folds.ids):,}",
        data_digest=short(folds.data_digest),
        fold_digest=short(folds.digest),
        folds=f"{folds.k} {folds.settings['scheme']} folds, seed {folds.settings['seed']}",
        shares=", ".join(f"{NAMES[outcome]} {shares[outcome]:.1%}" for outcome in Outcome),
        members=sorted(members, key=lambda member: -float(member["weight"])),
        biases=biases,
        swap=swap,
        alarms=blend.diagnosis.alarms,
    )
