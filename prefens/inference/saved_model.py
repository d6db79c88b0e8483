"""The blend as one model: saved by the blend, served by MLflow, used by predict. Imports no MLflow to load it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import pandas as pd

from prefens.core.errors import ConfigError, PrefensError, StoreError
from prefens.core.files import atomic_write
from prefens.data.frame import load_frame
from prefens.data.submission import COLUMNS
from prefens.inference.predictor import Predictor
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.factory import Tracking

log = logging.getLogger(__name__)

DATA = "data"  # the folder inside the model that holds the predictor
EXAMPLE = {
    "prompt": '["Name a prime number.", "And a larger one?"]',
    "response_a": '["2", "7, which is larger than 2."]',
    "response_b": '["Four.", "Nine."]',
}
LISTED = 10  # malformed rows that one warning names


class PairModel:
    """What `mlflow.pyfunc.load_model` wraps: frames of raw pairs in, frames of probabilities out."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._lock = Lock()  # a server predicts in several threads, and members keep what they computed

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return the outcome probabilities of n pairs.

        Parameters
        ----------
        frame : columns prompt, response_a, response_b and, if wanted, id; see `load_frame`.
        params : {"strict": True} refuses malformed rows with a DataError. Otherwise they get the class prior, as in
            `python -m prefens.predict`, and a warning names them.

        Returns
        -------
        A frame with the input's index, and columns id (where it came), winner_model_a, winner_model_b, winner_tie.
        """
        loaded = load_frame(frame, strict=bool((params or {}).get("strict", False)))
        for row, problem in list(loaded.problems.items())[:LISTED]:
            log.warning("row %d gets the class prior: %s", row + 1, problem)
        with self._lock:
            probabilities = self._predictor.predict_rows(loaded)
        columns = {name: probabilities[:, outcome] for outcome, name in COLUMNS.items()}
        ids = {"id": frame["id"]} if "id" in frame.columns else {}
        return pd.DataFrame({**ids, **columns}, index=frame.index)

    def get_raw_model(self) -> Predictor:
        """Return the predictor; MLflow's wrapper hands this on under the same name."""
        return self._predictor


def _load_pyfunc(path: str) -> PairModel:
    """Return the model in a folder, all of it in memory. MLflow calls this by its name."""
    predictor = Predictor.load(Path(path))
    predictor.keep_loaded()
    return PairModel(predictor)


def save_best(split: SplitStore) -> Path | None:
    """Save the stored blend as an MLflow model in the store, in place of an earlier one, and return its folder.

    None, with a warning that says why, where that can't be done: a blend is no less a result without it.
    """
    path = split.path / "model"
    try:
        predictor = Predictor.of_store(split, "best")
        for spec in predictor.specs():
            predictor.folders(spec)  # refused before MLflow is imported
        from prefens.store.tracking.pyfunc import write_model  # mlflow takes seconds to import

        with atomic_write(path) as tmp:
            write_model(tmp, predictor.save, __name__, DATA, pd.DataFrame([EXAMPLE]), list(COLUMNS.values()))
    except (OSError, ImportError, PrefensError) as error:
        log.warning("no model is saved for serving; predict works from the store. %s", error)
        return None
    log.info("saved as a model: %s", path)
    return path


def stored_model(split: SplitStore) -> Path | None:
    """Return the folder of the stored blend's saved model; None where there is none, or one of another blend."""
    path = split.path / "model"
    if not (path / DATA).is_dir():
        return None
    saved, stored = Predictor.load(path / DATA), Predictor.of_store(split, "best")
    return path if saved.about() == stored.about() else None


def model_predictor(place: str, tracking: Tracking) -> Predictor:
    """Return the predictor inside a saved model.

    Parameters
    ----------
    place : str
        A folder; or models:/NAME@ALIAS, models:/NAME/VERSION or runs:/ID/model in the database under `tracking.root`,
        or on the server at `tracking.uri`.

    Raises
    ------
    StoreError
        Where there is no such model, or it is not one of ours.
    """
    from prefens.store.tracking.pyfunc import EXPECTED, load_model

    folder = Path(place)
    if place.startswith(("models:", "runs:")):
        from prefens.store.tracking.model_registry import fetch_model

        root = Path(tracking.root)
        if tracking.uri is None and not (root / "mlflow.db").is_file():
            raise StoreError(f"model={place}: no {root / 'mlflow.db'}", "MLflow's database", "give tracking.root=DIR")
        folder = fetch_model(root, tracking.experiment, tracking.uri, place)
    found = load_model(folder)
    if not isinstance(found, Predictor):
        raise StoreError(f"model={place} holds {type(found).__name__}", EXPECTED, "correct it")
    return found


def find_predictor(
    tracking: Tracking, model: str | None, method: str, data_digest: str | None = None, fold_digest: str | None = None
) -> Predictor:
    """Return what predicts: the saved `model` if one is named, else the stored blend's `method`.

    Raises
    ------
    ConfigError
        Where a saved model and one of the blend's methods are asked for.
    StoreError
        Where there is no such model or blend, or several data sets or folds begin with the digests.
    """
    if model is None:
        return stored_predictor(OOFStore(Path(tracking.root)).select(data_digest, fold_digest), method)
    if method != "best":
        raise ConfigError(
            f"model={model} and method={method}",
            "one of the two: a saved model holds the blend's best method alone",
            "leave one out",
        )
    return model_predictor(model, tracking)


def stored_predictor(split: SplitStore, method: str) -> Predictor:
    """Return the predictor of a stored blend: for "best" that of the saved model, unless that is of another blend."""
    fresh = Predictor.of_store(split, method)
    path = split.path / "model" / DATA
    if method != "best" or not path.is_dir():
        return fresh
    saved = Predictor.load(path)
    if saved.about() == fresh.about():
        return saved
    log.info("%s is of another blend; predicting from the store's members", path)
    return fresh
