"""The model card of a blend, in Markdown (after Mitchell et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

from prefens.core.errors import counted
from prefens.core.hashing import short
from prefens.core.metrics import outcome_shares
from prefens.core.types import outcomes
from prefens.data.submission import submission_columns
from prefens.ensemble.blend import Blend
from prefens.ensemble.leaderboard import named_weights
from prefens.ensemble.results import BlendResult
from prefens.reporting.html import render_template
from prefens.reporting.plots import OUTCOME_TITLES


def render_model_card(blend: Blend, biases: Sequence[str], swap: str, version: str) -> str:
    """Return the model card of a blend, in Markdown.

    Parameters
    ----------
    blend : Blend
        The blend.
    biases : sequence of str
        Sentences on its biases; none where they were not measured.
    swap : str
        What exchanging A and B does to its predictions.
    version : str
        That of prefens.
    """
    best, folds = blend.best, blend.folds
    shares = outcome_shares(folds.label, folds.n_outcomes)
    weights = named_weights(blend.stack, best)
    members = [
        {"backbone": info.backbone, "seed": info.seed, "member": row.member, "log_loss": row.log_loss}
        for info, row in zip(blend.stack.members, blend.members, strict=True)
    ]
    order = {row.member: row.log_loss if weights is None else -weights[row.member] for row in blend.members}
    return render_template(
        "model_card.md.j2",
        title=f"{best.method} of {counted(len(members), 'member')}",
        version=version,
        score=_honest_score(blend),
        scores=_other_scores(best),
        holdout=best.holdout,
        rows=f"{len(blend.stack.folds.ids):,}",
        data_digest=short(folds.data_digest),
        fold_digest=short(folds.digest),
        folds=f"{folds.k} {folds.settings['scheme']} folds, seed {folds.settings['seed']}",
        shares=", ".join(f"{OUTCOME_TITLES[outcome]} {shares[outcome]:.1%}" for outcome in outcomes(folds.n_outcomes)),
        outcomes=", ".join(f"P({OUTCOME_TITLES[outcome]})" for outcome in outcomes(folds.n_outcomes)),
        columns=", ".join(submission_columns(folds.n_outcomes)),
        members=sorted(members, key=lambda member: order[member["member"]]),
        weights=weights,
        biases=biases,
        swap=swap,
        alarms=blend.diagnosis.alarms,
    )


def _honest_score(blend: Blend) -> str:
    expected = blend.expected
    if expected is None:
        return "Honest log loss not known: two folds leave none to choose the method on."
    score = f"Honest log loss **{expected.honest:.4f} ± {expected.honest_se:.4f}** nats (lower is better)"
    return f"{score}, the method chosen anew without each scored fold." if blend.nested is not None else f"{score}."


def _other_scores(best: BlendResult) -> dict[str, str]:
    """Return the log losses of the best method, and its differences from points of reference."""
    scores = {
        f"of `{best.method}` alone": f"{best.honest:.4f} ± {best.honest_se:.4f}",
        "on the rows it was fitted on": f"{best.fitted:.4f}, too good by construction",
    }
    if best.holdout is not None:
        scores["on held-out rows"] = f"{best.holdout:.4f}"
    differences = {
        f"less {name}": f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"
        for name, (value, low, high) in best.differences.items()
    }
    return scores | differences
