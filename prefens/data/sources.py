"""Sources of pairs: the `_target_`s of conf/data/."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from prefens.core.errors import ConfigError
from prefens.core.types import Pairs
from prefens.data.load import load_pairs
from prefens.data.loaded import LoadedPairs
from prefens.data.merge import merge, source_names
from prefens.data.outcomes import check_outcomes, with_outcomes
from prefens.data.raw.names import stem

log = logging.getLogger(__name__)


@dataclass
class Source(ABC):
    """Labelled pairs to train on, or test pairs to predict.

    Attributes
    ----------
    extra : list of str, or str
        Files of labelled pairs that are trained on and never scored.
    strict : bool
        Whether malformed test rows are refused, rather than left out and listed. Labelled ones are always refused.
    outcomes : int or None
        3, or 2 to leave ties out; None for what the scored sources say.
    """

    extra: Any = field(default_factory=list)
    strict: bool = False
    outcomes: int | None = None

    def __post_init__(self) -> None:
        self.extra = paths("data.extra", self.extra)
        check_outcomes(self.outcomes)

    @abstractmethod
    def load(self, labelled: bool = True, lenient: bool = False, source_column: str | None = None) -> LoadedPairs:
        """Return all pairs; `labelled`, `source_column` and errors as in `load_pairs`.

        Malformed labelled rows are refused, and test rows where `strict`; with `lenient`, both only where `strict`.
        """

    def load_extra(self) -> list[Pairs]:
        """Return the pairs of each extra file, ties too."""
        return [load_pairs(Path(path)).pairs for path in self.extra]

    def load_unlabelled(self, files: Sequence[str]) -> LoadedPairs:
        """Return the pairs of files without their labels, in the formats of extra ones; malformed rows are left out."""
        return FileSource().load_unlabelled(files)


def paths(setting: str, value: Any) -> list[str]:
    """Return a setting that is null, one path or a list of paths as a list; ConfigError for anything else."""
    items = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ConfigError(f"{setting}={value}", f"{setting}=FILE or '{setting}=[FILE,FILE]'", f"correct {setting}")
    return list(items)


class BothBad(Enum):
    """What ties of two bad responses are: ties as others, or left out."""

    tie = "tie"
    drop = "drop"


@dataclass
class VoteSource(Source):
    """Data of any format.

    Attributes
    ----------
    format : str or None
        One of `FORMATS`; None for the one that the columns fit.
    columns : mapping, or None
        From the names of columns that the format has to those of the data; or such a mapping by the name of a source.
    both_bad : BothBad
        What ties of two bad responses are.
    """

    format: str | None = None
    columns: Any = None
    both_bad: BothBad = BothBad.tie

    def __post_init__(self) -> None:
        super().__post_init__()
        own = self.columns.values() if isinstance(self.columns, dict) else ()
        self._by_source = any(isinstance(each, dict) for each in own)
        for columns in own if self._by_source else [self.columns]:
            _check_names(columns, self.columns)

    def load_extra(self) -> list[Pairs]:
        return [self._load_files("data.extra", [path], True, True, 3).pairs for path in self.extra]

    def load_unlabelled(self, files: Sequence[str]) -> LoadedPairs:
        return self._load_files("teacher.unlabelled", files, False, False, 3)

    def is_strict(self, labelled: bool, lenient: bool) -> bool:
        """Whether malformed rows are refused."""
        return self.strict or (labelled and not lenient)

    def renamed(self, name: str) -> dict[str, str]:
        """Return the names of a source's columns by those of the format."""
        columns = self.columns or {}
        return dict(columns.get(name, {}) if self._by_source else columns)

    def _load_files(
        self,
        setting: str,
        files: Sequence[str],
        labelled: bool,
        strict: bool,
        outcomes: int | None,
        source_column: str | None = None,
    ) -> LoadedPairs:
        """Return the pairs of files, which go by their stems, in the order of the names."""
        if not files:
            raise ConfigError(f"{setting} is not set", "the path of a file", f"add {setting}=FILE")
        named = zip(source_names([stem(Path(path)) for path in files]), files, strict=True)
        parts = [
            (name, load_pairs(Path(path), labelled, strict, self.format, self.renamed(name), source_column))
            for name, path in sorted(named)
        ]
        return merge(parts, self.both_bad is BothBad.drop, outcomes)


def _check_names(value: Any, setting: Any) -> None:
    if value is not None and not (
        isinstance(value, dict) and all(isinstance(item, str) for pair in value.items() for item in pair)
    ):
        came, expected = f"data.columns={setting}", "'data.columns={prompt: question, ...}', or {source: {...}}"
        raise ConfigError(came, expected, "correct data.columns")


@dataclass
class FileSource(VoteSource):
    """Files of any type that `read_raw` reads, each a source that goes by its stem.

    Attributes
    ----------
    path : str, list of str, or None
        The files; none are refused when they are loaded.
    """

    path: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.path = paths("data.path", self.path)

    def load(self, labelled: bool = True, lenient: bool = False, source_column: str | None = None) -> LoadedPairs:
        strict = self.is_strict(labelled, lenient)
        return self._load_files("data.path", self.path, labelled, strict, self.outcomes, source_column)


@dataclass
class SyntheticSource(Source):
    """Generated pairs whose outcome probabilities are known.

    Attributes
    ----------
    rows : int
        How many, at least 1.
    seed : int
        Of all draws.
    verbosity, position, tie : float
        As in `Effects`.
    """

    rows: int = 2000
    seed: int = 0
    verbosity: float = 0.6
    position: float = 0.15
    tie: float = 1.4

    def load(self, labelled: bool = True, lenient: bool = False, source_column: str | None = None) -> LoadedPairs:
        from prefens.data.synthetic.generator import Effects, floors, generate

        if source_column is not None:
            came = f"folds.source_column={source_column} with data=synthetic"
            raise ConfigError(came, "data with such a column", "give data.path=FILE")
        pairs = generate(self.rows, self.seed, Effects(self.verbosity, self.position, self.tie))
        bayes, symmetric = floors(pairs)
        line = "log loss that all possible votes would have: true probabilities %.4f, swap-symmetric ones %.4f"
        log.info(line, bayes, symmetric)
        if self.outcomes is not None:
            pairs = with_outcomes(pairs, self.outcomes)
        return LoadedPairs(pairs if labelled else pairs.unlabelled(), pairs.ids, np.arange(len(pairs)))


@dataclass
class HubSource(VoteSource):
    """A Hugging Face data set, or a local folder of files.

    Attributes
    ----------
    name, split, revision : str or None, str, and str or None
        As in `load_hub`.
    """

    name: str | None = None
    split: str = "train"
    revision: str | None = None

    def load(self, labelled: bool = True, lenient: bool = False, source_column: str | None = None) -> LoadedPairs:
        from prefens.data.hub import load_hub

        if not self.name:
            raise ConfigError("data.name is not set", "OWNER/NAME on the hub, or a folder", "add data.name=OWNER/NAME")
        name, strict = self.name.rstrip("/").rpartition("/")[2], self.is_strict(labelled, lenient)
        columns = self.renamed(name)
        loaded = load_hub(self.name, self.split, self.revision, labelled, strict, self.format, columns, source_column)
        return merge([(name, loaded)], self.both_bad is BothBad.drop, self.outcomes)
