"""The features that a frozen encoder gives for pairs: what heads are trained on, in memory or mapped from a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prefens.core.types import Ints, PairFeatures

FeatureArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class SideFeatures:
    """The features of one sequence of each pair.

    Attributes
    ----------
    lengths : int64 array, shape (n,)
        Stored states of each sequence: one per token, or 1 where the sequence was pooled.
    """

    lengths: Ints


@dataclass(frozen=True, eq=False)
class EncoderFeatures:
    """The encoder features of n pairs, two sequences each; a head reads them in place of `PairTokens`.

    Attributes
    ----------
    values : floating array, shape (s, d)
        The states of all sequences end to end, those of a first: float32 vectors where the sequences were pooled,
        float16 token states where the head learns its pooling.
    starts : int64 array, shape (2n + 1,)
        Where each sequence begins in `values`, the n of a before the n of b.
    pooled : bool
        Whether each sequence is one pooled vector.
    style : PairFeatures or None
        The scaled style features of the pairs, where the head reads them.
    """

    values: FeatureArray
    starts: Ints
    pooled: bool
    style: PairFeatures | None = None

    def __len__(self) -> int:
        return len(self.starts) // 2

    @property
    def a(self) -> SideFeatures:
        """The features of the n first sequences."""
        return SideFeatures(np.diff(self.starts[: len(self) + 1]))

    @property
    def b(self) -> SideFeatures:
        """The features of the n second sequences."""
        return SideFeatures(np.diff(self.starts[len(self) :]))

    def batch(self, sequences: Ints) -> dict[str, torch.Tensor]:
        """Return the inputs of a `PairModel` for some sequences.

        Parameters
        ----------
        sequences : int64 array, shape (m,)
            Places in `starts`.

        Returns
        -------
        dict of str to torch.Tensor
            "pooled" (m, d) where the sequences were pooled, else "states" (m, t, d), in the type of `values`,
            padded to the longest sequence, and "attention_mask" (m, t).
        """
        if self.pooled:
            return {"pooled": torch.from_numpy(np.asarray(self.values[sequences]))}
        lengths = self.starts[sequences + 1] - self.starts[sequences]
        dtype = torch.float16 if self.values.dtype == np.float16 else torch.float32
        states = torch.zeros(len(sequences), int(lengths.max()), self.values.shape[1], dtype=dtype)
        mask = torch.zeros(states.shape[:2], dtype=torch.long)
        for row, (start, length) in enumerate(zip(self.starts[sequences], lengths, strict=True)):
            states[row, :length] = torch.from_numpy(np.array(self.values[start : start + length]))
            mask[row, :length] = 1
        return {"states": states, "attention_mask": mask}
