"""Where a blend's members, labels and folds come from: the settings of the command, checked and typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefens.core.errors import ConfigError
from prefens.core.fold_run import SOURCE
from prefens.data.folds import FoldSettings
from prefens.data.sources import Source
from prefens.runner import config
from prefens.runner.schemas import BlendConfig


@dataclass(frozen=True)
class BlendSources:
    """Where a blend's members, labels and folds come from.

    Attributes
    ----------
    root : Path
        The tracking root, which may have a store.
    names : list of str
        Members of the store; without any, and without files, every complete one.
    files : mapping of str to Path
        The files of external members' probabilities, by the members' names.
    columns : mapping of str to mapping of str to str
        The names of each file's columns, by the member's name.
    labels : Path or None
        A file of labels in place of store and data.
    source : Source or None
        The pairs.
    folds : mapping of str to object
        The fold settings that were given.
    fold_settings : FoldSettings
        The same with the defaults of training for the others, for rows that the store has no folds of.
    fold_file : Path or None
        Folds in a file, for such rows.
    digests : tuple of two str or None
        What the digests of data and folds begin with, to choose among several parts of the store.
    partial : bool
        Whether files may lack some rows.
    """

    root: Path
    names: list[str]
    files: Mapping[str, Path]
    columns: Mapping[str, Mapping[str, str]]
    labels: Path | None
    source: Source | None
    folds: Mapping[str, Any]
    fold_settings: FoldSettings
    fold_file: Path | None
    digests: tuple[str | None, str | None]
    partial: bool

    @property
    def stored(self) -> bool:
        """Whether members of the store are blended, so that only its folds will do."""
        return bool(self.names) or not self.files


def parse_sources(settings: BlendConfig, root: Path) -> BlendSources:
    """Return where the settings say that members, labels and folds come from; ConfigError for contradictions."""
    names, files = config.members_of(settings.members)
    folds = {name: value for name, value in settings.folds.items() if value is not None}
    sources = BlendSources(
        root,
        names,
        {name: Path(path) for name, path in files.items()},
        config.columns_of(files, settings.columns),
        labels=_path(settings.labels),
        source=data_source(settings.data),
        folds=folds,
        fold_settings=config.build(({"k": None} if folds.get("scheme") == SOURCE else {}) | folds, FoldSettings),
        fold_file=_path(settings.fold_file),
        digests=(settings.data_digest, settings.fold_digest),
        partial=settings.partial,
    )
    _refuse_contradictions(sources)
    return sources


def data_source(data: Any) -> Source | None:
    """Return the source that data= describes, or None where it has no path."""
    return None if "path" in data and data.path is None else config.build(data)


def in_words(folds: Mapping[str, Any]) -> str:
    """Return fold settings as one types them."""
    return ", ".join(f"folds.{name}={value}" for name, value in folds.items())


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)


def _refuse_contradictions(sources: BlendSources) -> None:
    if sources.labels is not None and sources.source is not None:
        raise ConfigError("labels= with data=", "one of them", "leave labels= out: the data has labels, and prompts")
    if sources.labels is not None and sources.stored:
        raise ConfigError("labels= with members of the store", "files in members=", "leave labels= or the names out")
    if sources.fold_file is not None and sources.folds:
        raise ConfigError(f"fold_file= with {in_words(sources.folds)}", "one of them", "leave out what does not count")
