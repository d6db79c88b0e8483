"""How the table of runs opens in MLflow's UI: with the scores as columns, members above their folds.

MLflow's own default shows names and times alone. It keeps views that are to be shared as tags of the experiment; the
page shows the one whose key its address names.
"""

from __future__ import annotations

import json

KEY = "prefens"
# Few: MLflow shows them in the order of the alphabet, and beside its assistant a laptop has room for two or three.
METRICS = ("oof_accuracy", "oof_log_loss", "oof_log_loss_se")
TAGS = ("prefens.role", "prefens.early_discard")
NOTE = (
    "Members, their folds below them, and blends. `oof_log_loss`: out of fold, in nats, lower is better; members "
    "without it are not done, or discarded early (`prefens.early_discard`). The report is `report.html` among a "
    "blend's artifacts."
)


def experiment_tags() -> dict[str, str]:
    """Return the tags of the experiment: its description, and the view."""
    view = {
        "selectedColumns": [*(f"metrics.`{name}`" for name in METRICS), *(f"tags.`{name}`" for name in TAGS)],
        "orderByKey": "attributes.start_time",  # in any other order MLflow lays folds beside their members
        "orderByAsc": False,
        "searchFilter": "",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
    }
    return {"mlflow.note.content": NOTE, f"mlflow.sharedViewState.{KEY}": json.dumps(view)}


def runs_page(experiment: str) -> str:
    """Return the place of an experiment's table of runs on the UI's server."""
    # MLflow opens in its GenAI mode; workflowType leads out of it.
    return f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={KEY}"
