"""The view of runs in MLflow's UI: scores as columns, and members above their folds.

MLflow's default view shows names and times only. Shared views are tags of the experiment; the address of the page names
the key of the one to show.
"""

from __future__ import annotations

import json

KEY = "prefens"
# MLflow sorts them by name, and a laptop's screen has room for two or three beside its assistant.
METRICS = ("oof_accuracy", "oof_log_loss", "oof_log_loss_se")
TAGS = ("prefens.role", "prefens.early_discard")
NOTE = (
    "Members, their folds below them, and blends. `oof_log_loss`: out of fold, in nats, lower is better; members "
    "without it are not complete, or were discarded early (`prefens.early_discard`). The report is `report.html` among "
    "the artifacts of a blend."
)


def experiment_tags() -> dict[str, str]:
    """Return the tags of the experiment: its description and the view."""
    view = {
        "selectedColumns": [*(f"metrics.`{name}`" for name in METRICS), *(f"tags.`{name}`" for name in TAGS)],
        "orderByKey": "attributes.start_time",  # in any other order MLflow does not nest folds below members
        "orderByAsc": False,
        "searchFilter": "",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
    }
    return {"mlflow.note.content": NOTE, f"mlflow.sharedViewState.{KEY}": json.dumps(view)}


def runs_page(experiment: str) -> str:
    """Return the path of the table of runs on the UI's server; `experiment` is an id."""
    # MLflow opens in its GenAI mode; workflowType leads out of it.
    return f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={KEY}"
