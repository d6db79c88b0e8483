"""The data of a run as MLflow shows them: name, digest, columns and counts, but neither texts nor labels."""

from __future__ import annotations

import json

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from prefens.core.hashing import short
from prefens.core.metrics import outcome_counts
from prefens.core.types import Folds, outcome_names

NAME = "preference pairs"
COLUMNS = {"id": "string", "prompt": "string", "response_a": "string", "response_b": "string", "label": "integer"}


def dataset_input(folds: Folds) -> DatasetInput:
    """Return the rows of folds as an input of a run; its source is their path in the store."""
    path = f"store/{short(folds.data_digest)}-{short(folds.digest)}/folds.parquet"
    counts = outcome_counts(folds.label, folds.n_outcomes).tolist()
    profile = {
        "num_rows": len(folds.ids),
        "prompts": len(set(folds.group)),
        **dict(zip(outcome_names(folds.n_outcomes), counts, strict=True)),
        "held_out": int((~folds.scored).sum()),
        "folds": dict(folds.settings),
        "data_digest": folds.data_digest,
    }
    schema = {"mlflow_colspec": [{"name": name, "type": kind, "required": True} for name, kind in COLUMNS.items()]}
    dataset = Dataset(
        NAME,
        short(folds.data_digest),
        source_type="local",
        source=json.dumps({"uri": path}),
        schema=json.dumps(schema),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, "training")])
