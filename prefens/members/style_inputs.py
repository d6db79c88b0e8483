"""Style features as inputs of a network's head, scaled by what its training rows showed, and bounded.

Features are scaled and then squashed by tanh, which leaves small ones alone, keeps signs and order, and ends at 1. A
rare feature can lie dozens of spreads out; heads multiply and bet on what they never saw in training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from prefens.core.errors import ConfigError
from prefens.core.feature_cache import cached_features
from prefens.core.feature_scaling import Block, PairScaling
from prefens.core.types import PairFeatures, Pairs
from prefens.members.style import all_features

NAME = "style_inputs.safetensors"
CLIPPED = "style.safetensors"  # the file of models whose features were clipped instead


@dataclass(frozen=True)
class StyleInputs:
    """The features of the style member with the scales of one fold's training rows."""

    scaling: PairScaling

    @classmethod
    def fit(cls, train: Pairs) -> Self:
        """Measure the scales on the training rows alone."""
        found, rows = cached_features(train, "style features", all_features)
        return cls(PairScaling.fit([Block(found.odd[rows])], [Block(found.even[rows])]))

    @property
    def sizes(self) -> tuple[int, int]:
        """How many odd and even features there are."""
        return len(self.scaling.odd_scale), len(self.scaling.even_scale)

    def of_base(self, pairs: Pairs) -> PairFeatures:
        """Return the features, in [-1, 1], of all pairs that `pairs` were taken from: tokens have their rows there."""
        found, _ = cached_features(pairs, "style features", all_features)
        odd, even = self.scaling.apply([Block(found.odd)], [Block(found.even)])
        return replace(found, odd=np.tanh(odd), even=np.tanh(even))

    def save(self, directory: Path) -> None:
        self.scaling.save(directory / NAME)

    @classmethod
    def load(cls, directory: Path) -> Self:
        if (directory / CLIPPED).exists():
            came, expected = f"{directory}, whose head reads clipped style features", "a model that reads bounded ones"
            raise ConfigError(came, expected, "train its recipe again, a new member now, and blend without this one")
        return cls(PairScaling.load(directory / NAME))
