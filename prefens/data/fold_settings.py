"""How rows are split: the settings of folds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from prefens.core.errors import ConfigError


class Scheme(Enum):
    """Which rows share a fold: those of one normalized prompt, of one source, or none (which leaks shared prompts)."""

    stratified_group = "stratified_group"
    stratified = "stratified"
    source = "source"


MOST_FOLDS = 100  # their numbers are small integers, and each is a training


@dataclass(frozen=True)
class FoldSettings:
    """How rows are split.

    Attributes
    ----------
    scheme : Scheme
        Which rows share a fold.
    k : int or None
        The number of folds, 2 to 100; None for sources, one fold each.
    seed : int
        The seed of the assignment.
    holdout : float
        The share of rows, in [0, 0.5], that nothing trains, tunes or fits weights on.
    source_column : str or None
        A column of the data that names each row's source; None for the names of the files.

    Raises
    ------
    ConfigError
        Where k or holdout is out of range, or where k or the column is not for folds of this scheme.
    """

    scheme: Scheme = Scheme.stratified_group
    k: int | None = 5
    seed: int = 0
    holdout: float = 0.0
    source_column: str | None = None

    def __post_init__(self) -> None:
        if self.scheme is Scheme.source and self.k is not None:
            came = f"folds.k={self.k} with folds.scheme=source"
            raise ConfigError(came, "as many folds as sources", "give folds=source, and leave folds.k out")
        if self.scheme is not Scheme.source and self.source_column is not None:
            came = f"folds.source_column={self.source_column} with folds.scheme={self.scheme.name}"
            raise ConfigError(came, "folds that are sources", "give folds=source, or leave folds.source_column out")
        if self.scheme is not Scheme.source and (self.k is None or not 2 <= self.k <= MOST_FOLDS):
            raise ConfigError(f"folds.k={self.k}", f"2 to {MOST_FOLDS} folds", "set folds.k=5, the default")
        if not 0.0 <= self.holdout <= 0.5:
            raise ConfigError(f"folds.holdout={self.holdout}", "a share from 0 to 0.5", "set folds.holdout=0.1, say")
