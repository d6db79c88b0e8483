"""Putting odd and even features on comparable scales without breaking their symmetry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prefens.core.types import Floats

TINY = 1e-9  # a column or block with a smaller spread is constant, and becomes zero


@dataclass(frozen=True, eq=False)
class Block:
    """(n, p) features that belong together.

    weight : the root mean square that scaling gives each column; or, with `together`, the one it gives the row
    norms of the whole block, whose columns keep their proportions (an embedding).
    """

    values: Floats
    weight: float = 1.0
    together: bool = False


@dataclass(frozen=True, eq=False)
class PairScaling:
    """Odd features are divided by their root mean square (their mean is zero by symmetry), even ones centred too."""

    odd_scale: Floats
    even_mean: Floats
    even_scale: Floats

    @staticmethod
    def fit(odd: Sequence[Block], even: Sequence[Block]) -> PairScaling:
        """Measure blocks of odd and of even features on the training rows."""
        centred = [Block(block.values - block.values.mean(axis=0), block.weight, block.together) for block in even]
        mean = np.concatenate([block.values.mean(axis=0) for block in even])
        return PairScaling(_scales(odd), mean, _scales(centred))

    def apply(self, odd: Sequence[Block], even: Sequence[Block]) -> tuple[Floats, Floats]:
        """Return (n, p) odd and (n, q) even features, scaled, block beside block."""
        left, right = (np.hstack([block.values for block in blocks]) for blocks in (odd, even))
        return left / self.odd_scale, (right - self.even_mean) / self.even_scale

    def save(self, path: Path) -> None:
        """Write the scales as safetensors."""
        from safetensors.numpy import save_file

        save_file({name: np.ascontiguousarray(value) for name, value in vars(self).items()}, path)

    @staticmethod
    def load(path: Path) -> PairScaling:
        """Read what `save` wrote."""
        from safetensors.numpy import load_file

        return PairScaling(**load_file(path))


def _scales(blocks: Sequence[Block]) -> Floats:
    """Return what each column is divided by; infinity makes a constant column zero."""
    scales = []
    for block in blocks:
        squares = np.square(block.values).mean(axis=0)
        size = np.sqrt(np.full_like(squares, squares.sum()) if block.together else squares)
        scales.append(np.where(size > TINY, size / block.weight, np.inf))
    return np.concatenate(scales)
