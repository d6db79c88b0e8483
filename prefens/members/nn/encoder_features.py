"""What a frozen encoder gave for pairs: the features that heads are trained on, in memory or mapped from a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prefens.core.types import Ints, PairFeatures

Features = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class SideFeatures:
    """lengths: (n,) how many states are kept of each of n sequences: its tokens, or 1 where they were pooled."""

    lengths: Ints


@dataclass(frozen=True, eq=False)
class EncoderFeatures:
    """Features of n pairs' two sequences each; it stands where `PairTokens` stands for a model that reads texts.

    Attributes
    ----------
    values : (s, d) the states of all sequences end to end, those of a first; float32 vectors where they were pooled,
        float16 token states where the head pools by itself.
    starts : (2n + 1,) where each sequence begins, the n of a before the n of b.
    pooled : whether each sequence is one vector, which the head reads as it is.
    style : the scaled style features of the pairs, where a head reads them.
    """

    values: Features
    starts: Ints
    pooled: bool
    style: PairFeatures | None = None

    def __len__(self) -> int:
        return len(self.starts) // 2

    @property
    def a(self) -> SideFeatures:
        return SideFeatures(np.diff(self.starts[: len(self) + 1]))

    @property
    def b(self) -> SideFeatures:
        return SideFeatures(np.diff(self.starts[len(self) :]))

    def batch(self, sequences: Ints) -> dict[str, torch.Tensor]:
        """Return what `PairModel` reads of m sequences (places in `starts`).

        Pooled: vectors "pooled" (m, d). Else "states" (m, longest, d) and "attention_mask" (m, longest).
        """
        if self.pooled:
            return {"pooled": torch.from_numpy(np.asarray(self.values[sequences]))}
        lengths = self.starts[sequences + 1] - self.starts[sequences]
        states = torch.zeros(len(sequences), int(lengths.max()), self.values.shape[1])
        mask = torch.zeros(states.shape[:2], dtype=torch.long)
        for row, (start, length) in enumerate(zip(self.starts[sequences], lengths, strict=True)):
            states[row, :length] = torch.from_numpy(self.values[start : start + length].astype("float32"))
            mask[row, :length] = 1
        return {"states": states, "attention_mask": mask}
