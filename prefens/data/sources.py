"""Sources of pairs: the `_target_`s of conf/data/."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from prefens.core.errors import ConfigError
from prefens.data.load import load_pairs
from prefens.data.loaded import LoadedPairs

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
    """

    extra: Any = field(default_factory=list)
    strict: bool = False

    def __post_init__(self) -> None:
        self.extra = paths("data.extra", self.extra)

    @abstractmethod
    def load(self, labelled: bool = True) -> LoadedPairs:
        """Return all pairs; `labelled` and errors as in `load_pairs`."""


def paths(setting: str, value: Any) -> list[str]:
    """Return a setting that is null, one path or a list of paths as a list; ConfigError for anything else."""
    items = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ConfigError(f"{setting}={value}", f"{setting}=FILE or '{setting}=[FILE,FILE]'", f"correct {setting}")
    return list(items)


@dataclass
class VoteSource(Source):
    """Data of any format.

    Attributes
    ----------
    format : str or None
        One of `FORMATS`; None for the one that the columns fit.
    columns : dict of str to str, or None
        From the names of columns that the format has to those of the data.
    """

    format: str | None = None
    columns: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.columns = names_of("data.columns", self.columns)


def names_of(setting: str, value: Any) -> dict[str, str]:
    """Return a setting that is null or a mapping of names as a mapping; ConfigError for anything else."""
    items = {} if value is None else value
    if not isinstance(items, dict) or not all(isinstance(item, str) for pair in items.items() for item in pair):
        raise ConfigError(f"{setting}={value}", f"'{setting}={{prompt: question, ...}}'", f"correct {setting}")
    return dict(items)


@dataclass
class FileSource(VoteSource):
    """A file of any type that `read_raw` reads.

    Attributes
    ----------
    path : str or None
        The file; None is refused when it is loaded.
    """

    path: str | None = None

    def load(self, labelled: bool = True) -> LoadedPairs:
        if not self.path:
            raise ConfigError("data.path is not set", "the path of a file", "add data.path=FILE")
        strict = labelled or self.strict
        return load_pairs(Path(self.path), labelled, strict, self.format, self.columns)


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

    def load(self, labelled: bool = True) -> LoadedPairs:
        from prefens.data.synthetic.generator import Effects, floors, generate

        pairs = generate(self.rows, self.seed, Effects(self.verbosity, self.position, self.tie))
        bayes, symmetric = floors(pairs)
        log.info("expected log loss of the true probabilities: %.4f; of swap-symmetric ones: %.4f", bayes, symmetric)
        return LoadedPairs(pairs if labelled else pairs.unlabelled(), pairs.ids, np.arange(len(pairs)))


@dataclass
class HubSource(VoteSource):
    """A Hugging Face data set, or a local folder of files.

    Attributes
    ----------
    name, split, revision : str, str, and str or None
        As in `load_hub`.
    """

    name: str = "lmarena-ai/arena-human-preference-55k"
    split: str = "train"
    revision: str | None = None

    def load(self, labelled: bool = True) -> LoadedPairs:
        from prefens.data.hub import load_hub

        strict = labelled or self.strict
        return load_hub(self.name, self.split, self.revision, labelled, strict, self.format, self.columns)
