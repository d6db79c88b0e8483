"""The contract of members: fit on labelled pairs, predict outcome probabilities, save, load.

To add a kind of member:

1. Write a file in this folder with a dataclass that derives from `Member`. Its fields are its settings, `name` first.
   Set `kind` to a short word, and implement `fit`, `predict_proba`, `save` and `load`; `style.py` is an example. A
   network derives from `NetworkMember` in `network.py`, which implements these four; `textcnn.py` is an example.
2. Add the word and the class to `BUILT_IN` in `registry.py`. (A package of your own does it by the entry point group
   "prefens.members" instead.)
3. Write conf/backbone/NAME.yaml, whose `_target_` names the class and which lists each field with a comment.
4. Add a line to `MEMBERS` in tests/members/test_base.py, which tests the contract on every kind: probabilities, swap
   symmetry, the same bits from the same seed, and save followed by load.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from prefens.core.metrics import swap_outcomes
from prefens.core.teaching import Targets
from prefens.core.types import Floats, Pairs

if TYPE_CHECKING:
    from prefens.members.training.reward_scale import RewardScale


@dataclass(frozen=True)
class Context:
    """What a fold run gives a member beside the pairs.

    Attributes
    ----------
    seed : int, 32 bits
        All of the member's randomness derives from it.
    inner : int8 array, shape (n_train,)
        The inner fold of each training row, grouped by prompt and stratified: for choices, such as regularization or
        early stopping, that must not see the held-out fold.
    cache : Path or None
        A folder for files that every fold, seed and process may share, or None to keep nothing.
    checkpoint : Path or None
        This fold run's own file, from which a fit that was interrupted continues, or None to keep nothing. Whoever
        stores the result deletes it.
    key : str
        The digest of the fold run; a checkpoint with another key belongs to another run.
    targets : Targets or None
        What the training rows are to be predicted as, where a teacher labels some of them; None for the votes alone.
        Members with `learns_from_teachers` read them by `targets_of`.
    """

    seed: int
    inner: NDArray[np.int8]
    cache: Path | None = None
    checkpoint: Path | None = None
    key: str = ""
    targets: Targets | None = None

    def targets_of(self, train: Pairs) -> Targets:
        """Return the targets of the training rows: those of a teacher where there is one, else the votes."""
        return Targets.of_votes(train.labels, train.n_outcomes) if self.targets is None else self.targets


@dataclass(frozen=True)
class FitReport:
    """What a fit reports to the store and the tracker.

    Attributes
    ----------
    curves : mapping of str to sequence of float
        Values by step, such as the training loss in nats.
    metrics : mapping of str to float, int or str
        Scalars worth comparing, such as the chosen regularization.
    seconds : float
        The time of interrupted attempts that this fit continued; 0 where it started afresh.
    device : str
        Where most of the work was done, "cpu" or "cuda".
    """

    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    metrics: Mapping[str, float | int | str] = field(default_factory=dict)
    seconds: float = 0.0
    device: str = "cpu"


class Member(ABC):
    """A recipe with a seed, fitted on the training rows of one fold.

    The constructor takes the settings, as fields of a dataclass, and checks them: ConfigError for one out of range.

    Attributes
    ----------
    kind : str
        The word by which recipes and stored files name the class; see `registry`.
    version : int
        Raised where equal settings give other predictions than before. It enters recipes above 1.
    n_outcomes : int
        K, of the pairs that it was fitted on.
    learns_from_teachers : bool
        Whether `fit` reads the targets of its context, so that the member can be a student.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    n_outcomes = 3
    learns_from_teachers = False

    @abstractmethod
    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        """Fit on labelled pairs.

        Parameters
        ----------
        train : Pairs
            The training rows of a fold, with labels.
        valid : Pairs or None
            The held-out rows; they may serve for curves, never for choices.
        context : Context
            Seed, inner folds and folders.

        Raises
        ------
        TrainingError
            The fit failed, or learned nothing (CollapseError).
        """

    @abstractmethod
    def predict_proba(self, pairs: Pairs) -> Floats:
        """Return (n, K) float64 probabilities, swap-symmetric: p(a | A, B) = p(b | B, A).

        Raises
        ------
        ValueError
            The member is neither fitted nor loaded.
        """

    def rewards(self, pairs: Pairs) -> Floats | None:
        """Return the rewards of the responses A, (n,) in natural log odds, whatever B is; None for members without one.

        The log odds of A over B are the difference of two rewards. Their origin and their spread are each fitted
        member's own; `reward_scale` makes them comparable.
        """
        return None

    @property
    def has_rewards(self) -> bool:
        """Whether `rewards` returns any, by the settings alone."""
        return False

    @classmethod
    def stored_rewards(cls, directory: Path) -> bool:
        """Return `has_rewards` of the member that `save` wrote, whose weights are not read."""
        return False

    @property
    def reward_scale(self) -> RewardScale | None:
        """The mean and the spread of its rewards on training answers; None without rewards, or where none is stored."""
        return None

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write what prediction needs into an existing, empty folder, without pickles.

        Raises
        ------
        ValueError
            The member is not fitted.
        """

    @classmethod
    @abstractmethod
    def load(cls, directory: Path, backbones: Sequence[Path] = ()) -> Self:
        """Return the member that `save` wrote.

        Parameters
        ----------
        directory : Path
            The folder given to `save`.
        backbones : sequence of Path
            Folders of backbone files, which are searched in this order before the usual places.

        Raises
        ------
        BackboneError
            The backbone's files are missing or have changed.
        """

    @classmethod
    def required_backbones(cls, directory: Path, backbones: Sequence[Path] = ()) -> dict[str, Path]:
        """Return the backbone files that `load` needs beside what `save` wrote.

        They are copied along with models to machines that may have no other source, once for all models that share
        them.

        Parameters
        ----------
        directory : Path
            As in `load`.
        backbones : sequence of Path
            As in `load`.

        Returns
        -------
        dict of str to Path
            The name of a folder in `backbones` -> the directory where its files are now.

        Raises
        ------
        BackboneError
            The files are missing or have changed.
        """
        return {}

    @classmethod
    def kind_fields(cls) -> dict[str, Any]:
        """Return the class's part of a recipe and of the keys of feature caches: its kind, and its version above 1."""
        return {"kind": cls.kind} | ({} if cls.version == 1 else {"kind_version": cls.version})

    @classmethod
    def cache_signature(cls, *parts: object) -> str:
        """Return the key of a feature cache: the kind, and `parts`, whatever else the features depend on."""
        return " ".join(map(str, [*cls.kind_fields().values(), *parts]))

    def use_backbones(self, folders: Sequence[Path]) -> None:  # noqa: B027
        """Have the backbone's files looked for in some folders, in this order, before the usual places.

        A folder has one directory for each model, by the last part of its name. Members without a backbone ignore it.
        """

    def resolve(self) -> None:  # noqa: B027
        """Give the settings that are None, since they depend on the backbone, their values; they enter the recipe.

        Raises
        ------
        BackboneError
            The backbone is missing, or of a kind that can't be used.
        """

    def identity(self) -> dict[str, Any]:
        """Return what decides predictions beyond the settings, such as the digest of a local backbone's files.

        Raises
        ------
        BackboneError
            The backbone is missing, or of a kind that can't be used.
        ConfigError
            The settings don't fit the backbone.
        """
        return {}


def swap_average(probabilities: Floats, swapped: Floats) -> Floats:
    """Return the average of (n, K) predictions for (A, B) with those for (B, A): symmetric whatever the inputs."""
    average: Floats = (probabilities + swap_outcomes(swapped)) / 2.0
    return average
