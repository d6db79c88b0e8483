"""A folder as an MLflow model: written with all that loading it needs, and found again in folder, run or registry."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType

from prefens.core.errors import StoreError
from prefens.core.files import link_tree

os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")  # it would take along the project that happens to be here

PACKAGE = Path(__file__).resolve().parents[2]
logging.getLogger("mlflow").setLevel(logging.WARNING)

EXPECTED = "a model that a blend of prefens saved: a folder, models:/NAME@best or runs:/ID/model"
FLAVOR, MLMODEL = "python_function", "MLmodel"
REQUIREMENTS = (
    *(
        "filelock",
        "huggingface-hub",
        "hydra-core",
        "joblib",
        "mlflow",
        "numpy",
        "omegaconf",
        "orjson",
        "pandas",
        "psutil",
    ),
    *("pyarrow", "safetensors", "scikit-learn", "scipy", "sentencepiece", "skops", "threadpoolctl", "torch", "tqdm"),
    "transformers",
)  # what prefens imports to predict


def write_model(
    path: Path, save: Callable[[Path], None], loader: str, data: str, example: pd.DataFrame, outputs: Sequence[str]
) -> None:
    """Write an MLflow model into a new folder: signature, example, requirements, prefens' code and its data.

    Parameters
    ----------
    save : writes the data into the folder that it is given: path/`data`.
    loader : the module of prefens whose `_load_pyfunc` reads that folder.
    example : rows of input, whose columns are all texts; outputs : the names of the columns of numbers that come out.

    Raises
    ------
    StoreError for what MLflow refuses; OSError where the files can't be written.
    """
    model = Model()
    try:
        mlflow.pyfunc.save_model(
            path,
            mlflow_model=model,
            loader_module=loader,
            code_paths=[str(PACKAGE)],
            pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in REQUIREMENTS],
            signature=signature(list(example.columns), outputs),
            input_example=example,
        )
    except MlflowException as error:
        raise StoreError(f"MLflow: {error.message}", "a model that it can save", "report this") from error
    save(path / data)
    # Written after MLflow has made the folder, which would copy it, weights and all.
    model.flavors[FLAVOR]["data"] = data
    model.model_size_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    model.save(path / MLMODEL)


def signature(inputs: Sequence[str], outputs: Sequence[str]) -> ModelSignature:
    """Return texts in, numbers out, and ids of any type in both where they are wanted."""
    # Numbers in the competition's files, strings elsewhere.
    identity = ColSpec(AnyType(), "id", required=False)  # type: ignore[no-untyped-call]
    return ModelSignature(
        inputs=Schema([identity, *(ColSpec(DataType.string, name) for name in inputs)]),
        outputs=Schema([identity, *(ColSpec(DataType.double, name) for name in outputs)]),
        params=ParamSchema([ParamSpec("strict", DataType.boolean, False)]),
    )


def place_model(folder: Path, to: Path, model_id: str, run: str) -> None:
    """Give a model folder a second place, as hard links where possible, which knows its run and its own id there."""
    link_tree(folder, to)
    model = Model.load(folder)
    model.model_uuid = model.model_id = model_id
    model.run_id = run
    (to / MLMODEL).unlink()  # a link still: the original stays as it is
    model.save(to / MLMODEL)


def load_model(folder: Path) -> Any:
    """Return the object that a saved model's loader made; StoreError where the folder has none to give."""
    try:
        return mlflow.pyfunc.load_model(str(folder)).get_raw_model()
    except (MlflowException, NotImplementedError, OSError) as error:
        raise StoreError(
            f"{folder}: {str(error).splitlines()[0]}", EXPECTED, "blend again, or correct model="
        ) from error
