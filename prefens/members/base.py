"""What a member is: anything that fits on pairs, predicts outcome probabilities, and can be kept on disk."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from prefens.core.types import SWAP, Floats, Pairs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Context:
    """What a fold run gives a member beside the pairs.

    Attributes
    ----------
    seed : 32 bits; all of the member's randomness derives from it.
    inner : (n_train,) the inner fold of each training row, in [0, inner_k), grouped by prompt and
        stratified: for choices (regularisation, stopping) that must not see the held-out fold.
    cache : a folder for files that every fold, seed and process may share, or None to keep nothing.
    checkpoint : a file of this fold run's own, for a half-trained fit to go on from, or None to keep nothing; whoever
        stores the result deletes it. key : the fold run's digest, by which a foreign file is known.
    """

    seed: int
    inner: NDArray[np.int8]
    cache: Path | None = None
    checkpoint: Path | None = None
    key: str = ""


@dataclass(frozen=True)
class FitReport:
    """What a fit tells the tracker.

    Attributes
    ----------
    curves : name -> values by step, such as the training loss in nats.
    facts : name -> scalar worth comparing, such as the chosen regularisation.
    seconds : that interrupted attempts had spent before, on what this one went on from.
    device : where most of the work was done, "cpu" or "cuda".
    """

    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    facts: Mapping[str, float | int | str] = field(default_factory=dict)
    seconds: float = 0.0
    device: str = "cpu"


class Member(ABC):
    """A recipe with a seed, fitted on the training rows of one fold.

    A new kind of member is a subclass in one file, its word in `registry`, and a YAML under
    conf/backbone/ whose `_target_` names it; the constructor takes the YAML's other fields.
    """

    kind: ClassVar[str]  # the word that recipes and stored files name the class by; see `registry`
    version: ClassVar[int] = 1  # raised where equal settings give other predictions than before

    @abstractmethod
    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        """Fit on labelled pairs. `valid` may be looked at for curves, never for choices."""

    @abstractmethod
    def predict_proba(self, pairs: Pairs) -> Floats:
        """Return (n, K) float64 probabilities, swap-symmetric: p(a | A, B) = p(b | B, A)."""

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write what prediction needs into an existing, empty folder (no pickles)."""

    @classmethod
    @abstractmethod
    def load(cls, directory: Path, backbones: Path | None = None) -> Self:
        """Read what `save` wrote. `backbones` is a folder of backbone files that go before the usual places."""

    @classmethod
    def required_backbones(cls, directory: Path, backbones: Path | None = None) -> dict[str, Path]:
        """Return the backbone files that `load` needs beside what `save` wrote: folder in `backbones` -> where it is.

        They are copied to where the machine may have no other source, once for all models that share them.
        """
        return {}

    @classmethod
    def kind_fields(cls) -> dict[str, Any]:
        """Return what a recipe and the key of a feature cache hold of the class: its kind, and its version above 1."""
        return {"kind": cls.kind} | ({} if cls.version == 1 else {"kind_version": cls.version})

    @classmethod
    def cache_signature(cls, *parts: object) -> str:
        """Return the key of a feature cache: the kind, and `parts`, which say what else decides the features."""
        return " ".join(map(str, [*cls.kind_fields().values(), *parts]))

    def identity(self) -> dict[str, Any]:
        """Return what decides predictions beyond the config, such as the digest of a local backbone's files."""
        return {}


def swap_average(there: Floats, back: Floats) -> Floats:
    """Average (n, K) predictions for (A, B) with those for (B, A): symmetric whatever the inputs."""
    averaged: Floats = (there + back[:, SWAP]) / 2.0
    return averaged
