"""The labelled pairs that a training learns from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from prefens.core.errors import TrainingError
from prefens.core.types import SWAP, Ints
from prefens.data.text.tokens import PairTokens
from prefens.members.nn.encoder_features import EncoderFeatures
from prefens.members.training.settings import Swap, TrainingSettings

INNER_FOLD = 0  # the one that is left out where choices are made


@dataclass(frozen=True, eq=False)
class Examples:
    """n labelled pairs.

    Attributes
    ----------
    tokens : of these and other pairs; rows : (n,) places in it; label : (n,) int8; padding : the id of that token.
    both : whether a pair is learned from both of its sequences, or from the first one alone.
    """

    tokens: PairTokens | EncoderFeatures
    rows: Ints
    label: NDArray[np.int8]
    padding: int
    both: bool = True

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) the tokens of each pair that go through the model in training."""
        read = self.tokens.a.lengths + self.tokens.b.lengths if self.both else self.tokens.a.lengths
        return read[self.rows]

    def target(self, places: Ints, swapped: NDArray[np.bool_]) -> torch.Tensor:
        """Return the labels at `places`, those of swapped pairs mirrored."""
        label = self.label[places]
        return torch.from_numpy(np.where(swapped[places], SWAP[label], label).astype(np.int64))

    def split(self, inner: NDArray[np.int8] | None) -> tuple[Examples, Examples]:
        """Return the pairs to learn from and those of the inner fold that is left out, by their (n,) inner folds."""
        out = np.zeros(len(self), dtype=bool) if inner is None else inner == INNER_FOLD
        if inner is not None and (out.all() or not out.any()):
            raise TrainingError(
                f"{len(self)} pairs that can't be split by prompt", "pairs to learn from and pairs to stop by",
                "set training.patience=null and another training.schedule than plateau",
            )  # fmt: skip
        return tuple(  # type: ignore[return-value]
            Examples(self.tokens, self.rows[keep], self.label[keep], self.padding, self.both) for keep in (~out, out)
        )


def swapped_rows(count: int, settings: TrainingSettings, seed: int, epoch: int) -> NDArray[np.bool_]:
    """Return (n,) which of the rows are shown with A and B exchanged in an epoch."""
    if settings.swap is Swap.none:
        return np.zeros(count, dtype=bool)
    return np.random.default_rng([seed, epoch]).random(count) < 0.5
