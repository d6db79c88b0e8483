"""Pairs of a Kaggle competition, through the optional package `kagglehub`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from prefens.core.errors import ConfigError, DataError, not_installed
from prefens.data.loaded import LoadedPairs
from prefens.data.raw.names import stem
from prefens.data.raw.source import listed
from prefens.data.sources import FileSource

COMPETITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
BY_HAND = "or download the file from the competition's page and give data=csv data.path=FILE"


@dataclass
class KaggleSource(FileSource):
    """A file of a Kaggle competition, which is fetched once and kept in kagglehub's cache.

    Attributes
    ----------
    name : str or None
        The competition, as its address names it.
    file : str or None
        A file of it; None for the one named train, or test where labels are not read.
    """

    name: str | None = None
    file: str | None = None

    def load(self, labelled: bool = True, lenient: bool = False, source_column: str | None = None) -> LoadedPairs:
        path = choose_file(fetch_competition(self.name), self.file, labelled)
        return FileSource.load(replace(self, path=str(path)), labelled, lenient, source_column)


def fetch_competition(name: str | None) -> Path:
    """Return the folder with the files of a competition, which are downloaded where they are not there yet.

    Raises
    ------
    ConfigError
        Where this is no competition's name, or where `kagglehub` is not installed.
    DataError
        Where there is no token, no such competition or no connection, and where the rules were not accepted.
    """
    if name is None or not COMPETITION.fullmatch(name):
        came = "data.name is not set" if name is None else f"data.name={name}"
        raise ConfigError(
            came,
            "the last part of the address of a Kaggle competition",
            "give data.name=llm-classification-finetuning, say",
        )
    try:
        import kagglehub
    except ImportError as error:
        raise not_installed("kagglehub", "data=kaggle", "kaggle") from error
    try:
        return Path(kagglehub.competition_download(name))
    except Exception as error:  # kagglehub raises its own classes, those of requests, and ValueError
        raise _refusal(name, error) from error


def choose_file(folder: Path, name: str | None, labelled: bool) -> Path:
    """Return a file of a competition.

    Parameters
    ----------
    folder : Path
        The competition's files.
    name : str or None
        The file's path in the folder; None for the one named train, or test.
    labelled : bool
        Whether labels are read: train has them, test has not.

    Raises
    ------
    DataError
        Where there is no such file, or where several have that name.
    """
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    wanted = "train" if labelled else "test"
    chosen = [path for own, path in files.items() if (own == name if name else stem(path) == wanted)]
    if len(chosen) == 1:
        return chosen[0]
    raise DataError(
        f"{folder}: {len(chosen)} files named {name or wanted} ({listed([*files]) or 'no files'})",
        "one",
        "name the file: data.file=NAME",
    )


def _refusal(name: str, error: Exception) -> DataError:
    """Return the error that says why a competition can't be fetched."""
    import requests
    from kagglehub.exceptions import CredentialError, UnauthenticatedError

    page = f"https://www.kaggle.com/competitions/{name}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    token = (
        "make a token at https://www.kaggle.com/settings, and save it as ~/.kaggle/kaggle.json or set KAGGLE_API_TOKEN"
    )
    if isinstance(error, UnauthenticatedError | CredentialError):
        return DataError("no Kaggle token", "one: only people whom Kaggle knows get a competition's files", token)
    if status == requests.codes.unauthorized:
        return DataError("Kaggle refuses the token", "a token that is valid", token)
    if status == requests.codes.forbidden:
        came = f"Kaggle does not give the files of {name}"
        return DataError(came, "its rules accepted by the token's owner", f"accept them at {page}/rules, {BY_HAND}")
    if status == requests.codes.not_found:
        return DataError(f"no competition {name}", f"an address {page}", "correct data.name")
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return DataError("kaggle.com can't be reached", "a connection", f"check it, {BY_HAND}")
    came = f"competition {name}: {type(error).__name__}: {str(error)[:300]}"
    return DataError(came, "a competition's files", f"try again, {BY_HAND}")
