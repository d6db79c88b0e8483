"""The mean and the spread of a model's rewards on training answers, which make rewards of several models comparable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from prefens.core.feature_scaling import SMALLEST_SPREAD
from prefens.core.files import write_json
from prefens.core.tensors import DO, refusal
from prefens.core.typed_json import read_typed
from prefens.core.types import Floats

FILE_NAME = "rewards.json"
EXPECTED = "the mean and the spread of a stored member's rewards"


@dataclass(frozen=True)
class RewardScale:
    """The mean and the spread of a fitted model's rewards on answers that it was trained on.

    Attributes
    ----------
    mean : float, natural log odds
        The mean reward.
    spread : float above 0, natural log odds
        The standard deviation of the rewards; 1 where all rewards are equal.
    """

    mean: float
    spread: float

    @classmethod
    def of(cls, rewards: Floats) -> RewardScale:
        """Return the scale of the rewards of training answers, of any shape."""
        spread = float(rewards.std())
        return cls(float(rewards.mean()), spread if spread > SMALLEST_SPREAD else 1.0)

    def apply(self, rewards: Floats) -> Floats:
        """Return rewards as distances from the mean, in spreads."""
        scaled: Floats = (rewards - self.mean) / self.spread
        return scaled

    def save(self, directory: Path) -> None:
        """Write rewards.json."""
        write_json(directory / FILE_NAME, asdict(self))

    @classmethod
    def read(cls, directory: Path) -> RewardScale | None:
        """Return what `save` wrote; None where there is no such file, as in stores that were written before there was.

        Raises
        ------
        StoreError
            The file is damaged, or the spread is too small.
        """
        path = directory / FILE_NAME
        if not path.exists():
            return None
        scale = read_typed(path, cls, EXPECTED, DO)
        if not scale.spread > SMALLEST_SPREAD:
            raise refusal(path, f"spread is {scale.spread}", f"a number above {SMALLEST_SPREAD}")
        return scale
