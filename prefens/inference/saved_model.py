"""The blend as one MLflow model: saved by blend, served by MLflow, used by predict; loading it imports no MLflow."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import pandas as pd

from prefens.core.errors import ConfigError, DataError, PrefensError, StoreError, counted
from prefens.core.files import atomic_write
from prefens.core.types import Floats
from prefens.data.frame import load_frame
from prefens.data.loaded import TEXT, LoadedPairs
from prefens.data.request import RESPONSES
from prefens.data.submission import submission_columns
from prefens.inference.attachments import Attachment
from prefens.inference.fold_models import model_folders, required_backbones
from prefens.inference.predictor import Predictor
from prefens.inference.served_scores import answer_candidates
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.factory import Tracking

log = logging.getLogger(__name__)

DATA = "data"  # folder inside the model that holds the predictor
EXAMPLE = {
    "prompt": '["Name a prime number.", "And a larger one?"]',
    "response_a": '["2", "7, which is larger than 2."]',
    "response_b": '["Four.", "Nine."]',
}
OPTIONAL = ("response_a", "response_b", RESPONSES)  # columns: a frame has both responses, or any number of them
LARGE_COPY = 1e9  # bytes of backbones that a saved model has no copies of, unless these are asked for
MOST_WARNINGS = 10  # malformed rows of one call that are logged


class PreferenceModel:
    """What `mlflow.pyfunc.load_model` wraps: frames of raw pairs in, of probabilities out; candidates in, scores out.

    Parameters
    ----------
    predictor : Predictor
        What predicts.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._lock = Lock()  # a server predicts in several threads, and members cache features

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return the outcome probabilities of n pairs, or the scores of the candidates in n rows.

        Parameters
        ----------
        frame : DataFrame of n rows
            Columns prompt, response_a, response_b and, optionally, id; see `load_frame`. Or responses, a list of
            answers, in place of the two.
        params : dict or None
            {"strict": True} refuses malformed rows. Otherwise pairs get the class prior, as in
            `python -m prefens.predict`, and warnings name them; of candidates the answer says what is wrong.

        Returns
        -------
        DataFrame of n rows
            The input's index, and columns id (if the input has it), winner_model_a, winner_model_b and, where there
            are ties, winner_tie. Of candidates, those of `answer_candidates`.

        Raises
        ------
        DataError
            If columns are missing, or if rows are malformed and `strict` is set.
        """
        strict = bool((params or {}).get("strict", False))
        if {TEXT[0], RESPONSES} <= {*frame.columns}:
            return self._score(frame, strict)
        loaded = load_frame(frame, strict, self._predictor.reads_plain)
        log_malformed(loaded)
        with self._lock:
            probabilities = self._predictor.predict_rows(loaded)
        return answer(frame, probabilities)

    def _score(self, frame: pd.DataFrame, strict: bool) -> pd.DataFrame:
        """Return the scores of the candidates in a frame; DataError where `strict` and a row can't be scored."""
        columns = {name: list(frame[name]) for name in ("id", TEXT[0], RESPONSES) if name in frame.columns}
        with self._lock:
            scores = answer_candidates(columns, self._predictor)
        problems = scores["problem"].dropna()
        if strict and len(problems):
            first = f"row {problems.index[0] + 1}: {problems.iloc[0]}"
            came = f"{len(problems)} of {counted(len(frame), 'row')} can't be scored; {first}"
            raise DataError(came, "a prompt, and one or more responses with as many turns", "correct these rows")
        return scores.set_index(frame.index)


def log_malformed(loaded: LoadedPairs) -> None:
    """Warn of rows that get the class prior."""
    for row, problem in list(loaded.problems.items())[:MOST_WARNINGS]:
        log.warning("row %d gets the class prior: %s", row + 1, problem)


def answer(frame: pd.DataFrame, probabilities: Floats) -> pd.DataFrame:
    """Return (n, K) probabilities of a frame's rows as `PreferenceModel.predict` does, with their ids and index."""
    columns = dict(zip(submission_columns(probabilities.shape[1]), probabilities.T, strict=True))
    ids = {"id": frame["id"]} if "id" in frame.columns else {}
    return pd.DataFrame({**ids, **columns}, index=frame.index)


def _load_pyfunc(path: str) -> PreferenceModel:
    """Return the model in a folder, all of it in memory; MLflow calls this function by its name."""
    predictor = Predictor.load(Path(path))
    predictor.load_all()
    return PreferenceModel(predictor)


def save_best(split: SplitStore, backbones: Sequence[Path] = (), copies: bool | None = None) -> Path | None:
    """Save the stored blend as an MLflow model in the store, in place of an earlier one.

    Parameters
    ----------
    split : SplitStore
        The part of the store that the blend is in.
    backbones : sequence of Path
        Folders of backbones that are searched first.
    copies : bool or None
        Whether it holds copies of the backbones that its members refer to; None: unless these are large.

    Returns
    -------
    Path or None
        Folder of the model; None, with a warning that says why, where it can't be saved. The blend is a result all
        the same.
    """
    path = split.path / "model"
    try:
        predictor = Predictor.of_store(split, "best", backbones)
        without = _left_out(predictor, copies)  # what is missing or damaged is refused before MLflow is imported
        from prefens.store.tracking.pyfunc import write_model  # mlflow takes seconds to import

        outputs = submission_columns(len(predictor.prior))
        with atomic_write(path) as tmp:
            save = partial(predictor.save, without=without)
            write_model(tmp, save, __name__, DATA, pd.DataFrame([EXAMPLE]), outputs, OPTIONAL)
    except (OSError, ImportError, PrefensError) as error:
        log.warning("no model is saved for serving; predict works from the store. %s", error)
        return None
    log.info("saved as a model: %s", path)
    if without:
        log.info(
            "the saved model has no copy of %s; on another machine put it into DIR of `predict` or `serve model=... "
            "backbones=DIR` or, for MLflow's server too, into %s",
            "; ".join(map(str, without.values())), path / DATA / "backbones",
        )  # fmt: skip
    return path


def _left_out(predictor: Predictor, copies: bool | None) -> dict[str, Attachment]:
    """Return the backbones that a saved model has no copies of, by the names of their folders.

    Raises
    ------
    StoreError
        If a member has no stored model, or a damaged one.
    BackboneError
        If the files of backbones are missing; all of them are named.
    """
    models = [(spec, model_folders(predictor.store, spec, predictor.folds)) for spec in predictor.specs()]
    directories: dict[str, Path] = {}
    for required in required_backbones(models, predictor.backbones):
        directories |= required
    references = predictor.references()
    attached = {name: Attachment.of(backbone, directories[name]) for name, backbone in references.items()}
    if copies is None:
        copies = sum(each.size for each in attached.values()) <= LARGE_COPY
    return {} if copies else attached


def stored_model(split: SplitStore) -> Path | None:
    """Return the folder of the stored blend's saved model; None where there is none that `stored_predictor` takes."""
    return None if _saved_predictor(split, Predictor.of_store(split, "best")) is None else split.path / "model"


def model_predictor(place: str, tracking: Tracking, backbones: Sequence[Path] = ()) -> Predictor:
    """Return the predictor inside a saved model. The code that the model carries for MLflow is not imported.

    Parameters
    ----------
    place : str
        A folder, models:/NAME@ALIAS, models:/NAME/VERSION or runs:/ID/model in the database under
        `tracking.root`, or on the server at `tracking.uri`.
    tracking : Tracking
        Where MLflow's database or server is.
    backbones : sequence of Path
        Folders of backbones that are searched first.

    Raises
    ------
    StoreError
        If there is no such model, or if prefens did not save it.
    """
    folder = Path(place)
    if place.startswith(("models:", "runs:")):
        from prefens.store.tracking.model_registry import fetch_model

        root = Path(tracking.root)
        if tracking.uri is None and not (root / "mlflow.db").is_file():
            raise StoreError(f"model={place}: no {root / 'mlflow.db'}", "MLflow's database", "give tracking.root=DIR")
        folder = fetch_model(root, tracking.experiment, tracking.uri, place)
    return Predictor.load(folder / DATA, backbones)


def find_predictor(
    tracking: Tracking,
    model: str | None,
    method: str,
    data_digest: str | None = None,
    fold_digest: str | None = None,
    backbones: Sequence[Path] = (),
) -> Predictor:
    """Return the predictor of the saved model if one is named, else that of the stored blend or of a member.

    Parameters
    ----------
    tracking : Tracking
        Where the store and MLflow's database or server are.
    model : str or None
        A saved model, as in `model_predictor`.
    method : str
        A method of the stored blend, "best", or the name of a member that predicts alone.
    data_digest : str or None
        First digits of the data digest, where the store holds several data sets.
    fold_digest : str or None
        First digits of the fold digest, where the store holds several splits; None: that by source predicts.
    backbones : sequence of Path
        Folders of backbones that are searched first.

    Raises
    ------
    ConfigError
        If both a saved model and a method or member are named.
    StoreError
        If there is no such model or blend, or if the digests leave several splits.
    """
    if model is None:
        return stored_predictor(OOFStore(Path(tracking.root)).predicting(data_digest, fold_digest), method, backbones)
    if method != "best":
        raise ConfigError(
            f"model={model} and method={method}",
            "one of the two: a saved model holds one method alone",
            "leave one out",
        )
    return model_predictor(model, tracking, backbones)


def stored_predictor(split: SplitStore, method: str, backbones: Sequence[Path] = ()) -> Predictor:
    """Return the predictor of a stored blend or member: for "best" that of its saved model, if there is a good one.

    Raises
    ------
    StoreError
        As in `Predictor.of_store`.
    """
    fresh = Predictor.of_store(split, method, backbones)
    saved = _saved_predictor(split, fresh, backbones) if method == "best" else None
    return fresh if saved is None else saved


def _saved_predictor(split: SplitStore, fresh: Predictor, backbones: Sequence[Path] = ()) -> Predictor | None:
    """Return the predictor of the saved model; None, with a line that says why, where the store's members go before.

    They do where the saved model is damaged, is of another blend than `fresh`, or is older than one of its members.
    """
    path = split.path / "model" / DATA
    if not path.is_dir():
        return None
    try:
        saved = Predictor.load(path, backbones)
    except StoreError as error:
        log.warning("predicting from the store's members, since the saved model is damaged: %s", error.came)
        return None
    if saved.as_dict() != fresh.as_dict():
        log.info("predicting from the store's members, since %s is of another blend", path)
    elif _is_stale(saved, fresh):
        log.info("predicting from the store's members, since they were trained again after %s was saved", path)
    else:
        return saved
    return None


def _is_stale(saved: Predictor, fresh: Predictor) -> bool:
    """Whether a member of the store was trained again; not where one is missing or damaged, and the model is whole."""
    try:
        return fresh.contents() != saved.contents()
    except StoreError as error:
        log.warning("predicting with the saved model, since the store is not whole: %s", error.came)
        return False
