"""Scaling of odd and even features that keeps their symmetry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prefens.core.tensors import read_arrays, refusal
from prefens.core.types import Floats

SMALLEST_SPREAD = 1e-9  # a column or block with a smaller root mean square is constant, and becomes zero


@dataclass(frozen=True, eq=False)
class Block:
    """Features that belong together.

    Attributes
    ----------
    values : array, shape (n, p)
        The features.
    weight : float
        The root mean square of each column after scaling, or, with `joint`, of the norms of the rows.
    joint : bool
        Whether the columns keep their proportions, as those of an embedding do.
    """

    values: Floats
    weight: float = 1.0
    joint: bool = False


@dataclass(frozen=True, eq=False)
class PairScaling:
    """Odd features are divided by their root mean square (their mean is zero by symmetry), even ones centered too.

    Attributes
    ----------
    odd_scale : array, shape (p,)
        What odd columns are divided by; infinite for constant ones.
    even_mean : array, shape (q,)
        What is subtracted from even columns.
    even_scale : array, shape (q,)
        What even columns are divided by; infinite for constant ones.
    """

    odd_scale: Floats
    even_mean: Floats
    even_scale: Floats

    @staticmethod
    def fit(odd: Sequence[Block], even: Sequence[Block]) -> PairScaling:
        """Return the scales of blocks of odd and of even features of the training rows."""
        means = [block.values.mean(axis=0, dtype=np.float64) for block in even]
        centered = [
            Block(block.values - mean, block.weight, block.joint) for block, mean in zip(even, means, strict=True)
        ]
        return PairScaling(_scales(odd), np.concatenate(means), _scales(centered))

    def apply(self, odd: Sequence[Block], even: Sequence[Block]) -> tuple[Floats, Floats]:
        """Return (n, p) odd and (n, q) even features, scaled, block beside block."""
        left, right = (np.hstack([block.values for block in blocks], dtype=np.float64) for blocks in (odd, even))
        left /= self.odd_scale  # in place: a member may have a thousand features
        right -= self.even_mean
        right /= self.even_scale
        return left, right

    def save(self, path: Path) -> None:
        """Write the scales as safetensors."""
        from safetensors.numpy import save_file

        save_file({name: np.ascontiguousarray(value) for name, value in vars(self).items()}, path)

    @staticmethod
    def load(path: Path, n_odd: int, n_even: int) -> PairScaling:
        """Read what `save` wrote; StoreError where it is not that, or of other numbers of features."""
        shapes = {"odd_scale": n_odd, "even_mean": n_even, "even_scale": n_even}
        expected = {name: (np.float64, (size,)) for name, size in shapes.items()}
        scaling = PairScaling(**read_arrays(path, expected, infinite=True))
        if min(scaling.odd_scale.min(), scaling.even_scale.min()) <= 0 or not np.isfinite(scaling.even_mean).all():
            raise refusal(path, "scales of 0 or less, or infinite means", "scales above 0, finite means")
        return scaling


def _scales(blocks: Sequence[Block]) -> Floats:
    """Return what each column is divided by; infinity makes a constant column zero."""
    scales = []
    for block in blocks:
        squares = np.square(block.values, dtype=np.float64).mean(axis=0)
        size = np.sqrt(np.full_like(squares, squares.sum()) if block.joint else squares)
        scales.append(np.where(size > SMALLEST_SPREAD, size / block.weight, np.inf))
    return np.concatenate(scales)
