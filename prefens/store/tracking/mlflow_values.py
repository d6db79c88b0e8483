"""Times, tables, parameters and tags in the forms that MLflow stores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from prefens.store.member_spec import MemberSpec
from prefens.store.tracking.tracker import Rows


def milliseconds(seconds: float) -> int:
    """Return a time in MLflow's unit."""
    return int(seconds * 1000)


def table_columns(rows: Rows) -> dict[str, list[Any]]:
    """Return the columns of a table; cells with several values become JSON."""
    names = dict.fromkeys(name for row in rows for name in row)
    plain = [
        {
            name: value if isinstance(value, str | float | int | None) else json.dumps(value)
            for name, value in row.items()
        }
        for row in rows
    ]
    return {name: [row.get(name) for row in plain] for name in names}


def flat_params(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as dotted names."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= flat_params(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def member_tags(role: str, spec: MemberSpec) -> dict[str, str]:
    """Return the tags of the run of a member or of one of its folds."""
    hub = {"prefens.commit": str(spec.recipe["commit"])} if "commit" in spec.recipe else {}  # of the backbone's files
    marks = {"prefens.taught_on_oof": "true"} if spec.taught_on_oof else {}
    return (
        hub
        | marks
        | {
            "prefens.role": role,
            "prefens.member": spec.key(0).member_digest,
            "prefens.name": spec.name,
            "prefens.backbone": str(spec.backbone),
            "prefens.recipe_digest": spec.recipe_digest,
            "prefens.data_digest": spec.data_digest,
            "prefens.fold_digest": spec.fold_digest,
        }
    )


def score_note(metrics: Mapping[str, float]) -> str:
    """Return the sentence about the score on the page of a run, Markdown."""
    score, error = (metrics.get(f"oof_{name}", float("nan")) for name in ("log_loss", "log_loss_se"))
    return f"Out-of-fold log loss **{score:.4f} ± {error:.4f}** nats"
