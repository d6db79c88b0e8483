"""Folders in the format of MLflow models: written with everything that loading them needs, and loaded."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType

from prefens.core.errors import StoreError
from prefens.core.files import link_tree

os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")  # it would pack the project of the working directory

PACKAGE = Path(__file__).resolve().parents[2]
logging.getLogger("mlflow").setLevel(logging.WARNING)

FLAVOR, MLMODEL = "python_function", "MLmodel"
REQUIREMENTS = (  # what prefens imports to predict
    *("filelock", "huggingface-hub", "hydra-core", "joblib", "mlflow", "numpy", "omegaconf", "orjson", "pandas"),
    *("psutil", "pyarrow", "pydantic", "safetensors", "scikit-learn", "scipy", "sentencepiece"),
    *("threadpoolctl", "torch", "tqdm", "transformers"),
)


def write_model(
    path: Path,
    save: Callable[[Path], None],
    loader: str,
    data: str,
    example: pd.DataFrame,
    outputs: Sequence[str],
    optional: Sequence[str] = (),
) -> None:
    """Write an MLflow model into a new folder: signature, example, requirements, the code of prefens, and the data.

    Parameters
    ----------
    path : Path
        The folder to create.
    save : callable
        Writes the data into the folder that it is called with.
    loader : str
        The module whose `_load_pyfunc` reads the data.
    data : str
        The name of the data's folder in `path`.
    example : pandas.DataFrame
        Rows of input; all columns are texts.
    outputs : sequence of str
        The names of the columns of numbers that are predicted.
    optional : sequence of str
        Columns of input that may be missing; those that the example has not may hold anything.

    Raises
    ------
    StoreError
        Where MLflow refuses the model.
    OSError
        Where the files can't be written.
    """
    model = Model()
    try:
        mlflow.pyfunc.save_model(
            path,
            mlflow_model=model,
            loader_module=loader,
            code_paths=[str(PACKAGE)],
            pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in REQUIREMENTS],
            signature=signature(list(example.columns), outputs, optional),
            input_example=example,
        )
    except MlflowException as error:
        raise StoreError(f"MLflow: {error.message}", "a model that it can save", "report this") from error
    save(path / data)
    # Written after MLflow has made the folder, which would copy it, weights and all.
    model.flavors[FLAVOR]["data"] = data
    model.model_size_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    model.save(path / MLMODEL)


def signature(inputs: Sequence[str], outputs: Sequence[str], optional: Sequence[str] = ()) -> ModelSignature:
    """Return the signature of texts to numbers, with an optional column of ids on both sides; see `write_model`."""
    # Numbers in the competition's files, strings elsewhere.
    identity, *others = (
        ColSpec(AnyType(), name, required=False)  # type: ignore[no-untyped-call]
        for name in ("id", *(name for name in optional if name not in inputs))
    )
    texts = [ColSpec(DataType.string, name, required=name not in optional) for name in inputs]
    return ModelSignature(
        inputs=Schema([identity, *texts, *others]),
        outputs=Schema([identity, *(ColSpec(DataType.double, name) for name in outputs)]),
        params=ParamSchema([ParamSpec("strict", DataType.boolean, False)]),
    )


def place_model(folder: Path, to: Path, model_id: str, run: str) -> None:
    """Copy a model folder, by hard links where possible, and note the ids of model and run in the copy."""
    link_tree(folder, to)
    model = Model.load(folder)
    model.model_uuid = model.model_id = model_id
    model.run_id = run
    (to / MLMODEL).unlink()  # a hard link: writing to it would change the original
    model.save(to / MLMODEL)
