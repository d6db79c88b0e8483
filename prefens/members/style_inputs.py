"""Style features as inputs of a network's head, scaled by the training rows and bounded.

Features are scaled and then squashed by tanh, which hardly changes small ones, keeps signs and order, and stays within
[-1, 1]. A rare feature can lie dozens of standard deviations out, where a head would extrapolate from nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from prefens.core.feature_cache import cached_features
from prefens.core.feature_scaling import Block, PairScaling
from prefens.core.types import PairFeatures, Pairs
from prefens.members.style import all_features
from prefens.members.style_features import n_features

FILE_NAME = "style_inputs.safetensors"


@dataclass(frozen=True)
class StyleInputs:
    """The features of the style member with the scales of one fold's training rows.

    Attributes
    ----------
    scaling : PairScaling
        The scales of the odd and of the even features.
    """

    scaling: PairScaling

    @classmethod
    def fit(cls, train: Pairs) -> Self:
        """Return the inputs with the scales of the training rows alone."""
        features, rows = cached_features(train, "style features", all_features)
        return cls(PairScaling.fit([Block(features.odd[rows])], [Block(features.even[rows])]))

    @property
    def sizes(self) -> tuple[int, int]:
        """The numbers of odd and of even features."""
        return len(self.scaling.odd_scale), len(self.scaling.even_scale)

    def base_features(self, pairs: Pairs) -> PairFeatures:
        """Return the features, in [-1, 1], of all pairs that `pairs` were taken from, row by row as their tokens."""
        features, _ = cached_features(pairs, "style features", all_features)
        odd, even = self.scaling.apply([Block(features.odd)], [Block(features.even)])
        return replace(features, odd=np.tanh(odd), even=np.tanh(even))

    def save(self, directory: Path) -> None:
        """Write the scales into a model's folder."""
        self.scaling.save(directory / FILE_NAME)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Return what `save` wrote."""
        return cls(PairScaling.load(directory / FILE_NAME, *n_features()))
