"""Style features as inputs of a network's head, scaled by what its training rows showed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from prefens.features import shared
from prefens.members.scaling import Block, PairScaling
from prefens.members.style import all_features
from prefens.records import PairFeatures, Pairs

NAME = "style.safetensors"
LIMIT = 5.0  # scaled features are clipped here: a rare one lies dozens of spreads out, and a network would bet on it


@dataclass(frozen=True)
class StyleInputs:
    """The features of the style member with the scales of one fold's training rows."""

    scaling: PairScaling

    @classmethod
    def fit(cls, train: Pairs) -> Self:
        """Measure the scales on the training rows alone."""
        found, rows = shared(train, "style features", all_features)
        return cls(PairScaling.fit([Block(found.odd[rows])], [Block(found.even[rows])]))

    @property
    def sizes(self) -> tuple[int, int]:
        """How many odd and even features there are."""
        return len(self.scaling.odd_scale), len(self.scaling.even_scale)

    def of_base(self, pairs: Pairs) -> PairFeatures:
        """Return the scaled features of all pairs that `pairs` were taken from, where tokens have their rows too."""
        found, _ = shared(pairs, "style features", all_features)
        odd, even = self.scaling.apply([Block(found.odd)], [Block(found.even)])
        return replace(found, odd=np.clip(odd, -LIMIT, LIMIT), even=np.clip(even, -LIMIT, LIMIT))

    def save(self, directory: Path) -> None:
        self.scaling.save(directory / NAME)

    @classmethod
    def load(cls, directory: Path) -> Self:
        return cls(PairScaling.load(directory / NAME))
