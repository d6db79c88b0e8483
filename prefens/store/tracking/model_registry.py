"""MLflow's registered models: a blend's model is registered as the best version, and found by name or run."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from prefens.core.errors import StoreError
from prefens.store.tracking.mlflow_backend import ALREADY_EXISTS, MlflowBackend, open_backend

ALIAS = "best"  # of the latest blend's version
MODEL_ID = re.compile("m-[0-9a-f]{32}")


def register(
    backend: MlflowBackend, name: str, folder: Path, run: str, tags: Mapping[str, str], best: bool = True
) -> None:
    """Log a model folder to its run and register it, as the best version where `best`; nothing is doubled."""
    client = backend.client
    model = _logged_model(backend, run)
    if model is None:
        model = _log_model(backend, folder, run, tags)
    with backend.lock("registry"):
        _create_name(backend, name)
        versions = [each for each in client.search_model_versions(f"run_id = '{run}'") if each.name == name]
        location = model.artifact_location
        version = (
            versions[0]
            if versions
            else client.create_model_version(name, location, run, dict(tags), model_id=model.model_id)
        )
        if best:
            client.set_registered_model_alias(name, ALIAS, version.version)
    link = json.dumps([{"name": name, "version": version.version}])
    client.set_logged_model_tags(model.model_id, {MLFLOW_MODEL_VERSIONS: link})  # the UI shows it there
    outputs = client.get_run(run).outputs
    if outputs is None or not outputs.model_outputs:
        client.log_outputs(run, [LoggedModelOutput(model.model_id, step=0)])


def delete_unfinished_models(backend: MlflowBackend, run: str) -> None:
    """Delete the models whose logging to a run was cut off, with their files.

    Raises
    ------
    PermissionError
        Where the files are not in a folder that MLflow has made for this model alone, below the artifacts.
    """
    for model in _models(backend, run):
        if model.status != LoggedModelStatus.READY:
            if backend.local:
                folder = backend.place(model.artifact_location).parent
                if not MODEL_ID.fullmatch(model.model_id) or folder.parts[-2:] != ("models", model.model_id):
                    raise PermissionError(f"{folder} is not deleted: no folder of the model {model.model_id:.100}")
                shutil.rmtree(folder, ignore_errors=True)
            backend.client.delete_logged_model(model.model_id)


def _models(backend: MlflowBackend, run: str) -> Sequence[LoggedModel]:
    """Return the logged models of a run, the latest first."""
    return [*backend.client.search_logged_models([backend.experiment_id], f"source_run_id = '{run}'")]


def _logged_model(backend: MlflowBackend, run: str) -> LoggedModel | None:
    return next((model for model in _models(backend, run) if model.status == LoggedModelStatus.READY), None)


def _log_model(backend: MlflowBackend, folder: Path, run: str, tags: Mapping[str, str]) -> LoggedModel:
    from prefens.store.tracking.pyfunc import place_model  # imports more of mlflow, which takes a second

    client = backend.client
    delete_unfinished_models(backend, run)
    logged = client.create_logged_model(backend.experiment_id, "model", run, tags=dict(tags))
    if backend.local:
        place_model(folder, backend.place(logged.artifact_location), logged.model_id, run)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            place_model(folder, Path(scratch) / "model", logged.model_id, run)
            client.log_model_artifacts(logged.model_id, str(Path(scratch) / "model"))
    return client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)


def fetch_model(root: Path, experiment: str, uri: str | None, address: str) -> Path:
    """Return the folder of a model in the experiment under `root`, or on the server at `uri`.

    Raises
    ------
    StoreError
        Where there is no such model, or where the server does not answer.
    """
    try:
        backend = open_backend(root.resolve(), experiment, uri)
    except (MlflowException, OSError) as error:
        raise StoreError(
            f"{address}: {str(error).splitlines()[0]}", f"MLflow at {uri or root}", "start it, or correct tracking.uri"
        ) from error
    return find_model(backend, address)


def find_model(backend: MlflowBackend, address: str) -> Path:
    """Return the folder of models:/NAME@ALIAS, models:/NAME/VERSION or runs:/ID/model.

    MLflow's own search would use the database of its global state, and create one where there is none. A model of a
    server is downloaded once, into the cache of the tracking root.

    Raises
    ------
    StoreError
        Where there is no such model.
    """
    try:
        location = _location(backend, address)
        if backend.local:
            return _folder(location)
        return _download(backend, location)
    except (MlflowException, ValueError) as error:
        raise StoreError(
            f"{address}: {str(error).splitlines()[0]}",
            f"models:/NAME@ALIAS, models:/NAME/VERSION or runs:/ID/model in {backend.uri}",
            "blend first, or correct it",
        ) from error


def _create_name(backend: MlflowBackend, name: str) -> None:
    try:
        backend.client.create_registered_model(name)  # a search for it fails where the name has an apostrophe
    except MlflowException as error:
        if error.error_code != ALREADY_EXISTS:
            raise


def _location(backend: MlflowBackend, address: str) -> str:
    """Return the address of a model's files: of a folder, or of a logged model on a server."""
    client = backend.client
    kind, *parts = re.split(":/|[/@]", address)
    if len(parts) != 2:
        raise ValueError("neither alias nor version")
    if kind == "runs":
        outputs = client.get_run(parts[0]).outputs
        if outputs is None or not outputs.model_outputs:
            raise ValueError("a run without a model")
        return str(client.get_logged_model(outputs.model_outputs[0].model_id).artifact_location)
    name, version = parts
    if "@" in address:
        version = str(client.get_model_version_by_alias(name, version).version)
    return str(client.get_model_version_download_uri(name, version))


def _download(backend: MlflowBackend, location: str) -> Path:
    from mlflow.artifacts import download_artifacts

    from prefens.core.files import atomic_write
    from prefens.core.hashing import digest, short

    folder = backend.root / "cache" / "models" / short(digest(f"{backend.uri} {location}"))
    if not folder.exists():
        with atomic_write(folder) as tmp:
            download_artifacts(artifact_uri=location, dst_path=str(tmp), tracking_uri=backend.uri)
    return next(folder.rglob("MLmodel")).parent


def _folder(location: str) -> Path:
    return Path(local_file_uri_to_path(location))  # type: ignore[no-untyped-call]
