"""The pairs that a training learns from, and their targets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import TrainingError
from prefens.core.teaching import Targets
from prefens.core.types import Ints
from prefens.data.text.tokens import PairTokens
from prefens.members.nn.encoder_features import EncoderFeatures
from prefens.members.training.settings import Swap, TrainingSettings

INNER_FOLD = 0  # the inner fold that is left out of the training where choices are made


@dataclass(frozen=True, eq=False)
class Examples:
    """n pairs with their targets, as rows of tokens or features that other pairs share.

    Attributes
    ----------
    inputs : PairTokens or EncoderFeatures
        Of these pairs and others.
    rows : int64 array, shape (n,)
        The places of these pairs in `inputs`.
    targets : Targets
        What they are to be predicted as.
    padding : int
        The id of the padding token.
    both : bool
        Whether a pair is learned from both of its sequences, or from the first one alone.
    """

    inputs: PairTokens | EncoderFeatures
    rows: Ints
    targets: Targets
    padding: int
    both: bool = True

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) the tokens of each pair that go through the model in training."""
        first, second = self.inputs.a.lengths, self.inputs.b.lengths
        return (first + second if self.both else first)[self.rows]

    def split(self, inner: NDArray[np.int8] | None) -> tuple[Examples, Examples]:
        """Return the pairs to learn from, and those with votes of the inner fold that is left out for choices.

        Parameters
        ----------
        inner : int8 array, shape (n,), or None
            The inner fold of each pair; None leaves nothing out.

        Raises
        ------
        TrainingError
            One of the two parts would be empty, since all pairs share a prompt.
        """
        left_out = np.zeros(len(self), dtype=bool) if inner is None else inner == INNER_FOLD
        scored = left_out & self.targets.voted
        if inner is not None and (left_out.all() or not scored.any()):
            raise TrainingError(
                f"{len(self)} pairs that can't be split by prompt", "pairs to learn from and pairs to stop by",
                "set training.patience=null and another training.schedule than plateau",
            )  # fmt: skip
        return self._take(~left_out), self._take(scored)

    def _take(self, mask: NDArray[np.bool_]) -> Examples:
        return replace(self, rows=self.rows[mask], targets=self.targets.take(mask))


def swapped_rows(count: int, settings: TrainingSettings, seed: int, epoch: int) -> NDArray[np.bool_]:
    """Return (count,): which rows are shown with A and B swapped in an epoch, drawn from the seed and the epoch.

    None are where both orders are shown.
    """
    if settings.swap is not Swap.random:
        return np.zeros(count, dtype=bool)
    return np.random.default_rng([seed, epoch]).random(count) < 0.5
