"""Running out of memory: the same work again, in smaller micro-batches."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from prefens.core.errors import TrainingError
from prefens.core.types import Ints
from prefens.members.training.batching import micro_batches

log = logging.getLogger(__name__)


@dataclass
class TokenBudget:
    """How many tokens go through the model at once.

    Attributes
    ----------
    tokens : int
        Real tokens in a forward pass; lowered when memory runs out.
    """

    tokens: int

    def run(
        self,
        work: Callable[[Ints], None],
        rows: Ints,
        lengths: NDArray[np.int64],
        undo: Callable[[], None] = lambda: None,
        agree: Callable[[int], int] = int,
    ) -> None:
        """Call `work` for each micro-batch of `rows`; when memory runs out, start over with smaller ones.

        Parameters
        ----------
        work : callable
            Takes the rows of a micro-batch.
        rows : int64 array, shape (m,)
            Places in `lengths`.
        lengths : int64 array, shape (n,)
            Tokens of each pair.
        undo : callable
            Takes back what `work` did, but for random numbers: these are drawn again as they were.
        agree : callable
            Returns the minimum of the budgets of processes that work together.

        Raises
        ------
        TrainingError
            A single pair does not fit.
        """
        while True:
            random_state = _random_state()
            agreed = agree(self._try(work, rows, lengths))
            if agreed == self.tokens:
                return
            undo()
            if agreed == 0:
                raise TrainingError(
                    "memory for not even one pair at a time", "room for the longest pair",
                    "lower text.max_length, set training.gradient_checkpointing=true, or take a smaller backbone",
                )  # fmt: skip
            log.warning("out of memory with %d tokens at a time; going on with %d", self.tokens, agreed)
            self.tokens = agreed
            _set_random_state(random_state)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _try(self, work: Callable[[Ints], None], rows: Ints, lengths: NDArray[np.int64]) -> int:
        """Return the budget to go on with: the same, a smaller one, or 0 where a single pair did not fit."""
        parts = list(micro_batches(rows, lengths, self.tokens))
        for part in parts:
            try:
                work(part)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if len(part) == 1:
                    return 0
                break
        else:
            return self.tokens
        smaller = self.tokens // 2
        while len(list(micro_batches(rows, lengths, smaller))) <= len(parts):
            smaller //= 2
        return smaller


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the accelerator or the machine has no memory left."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def _random_state() -> tuple[torch.Tensor, torch.Tensor | None]:
    return torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_available() else None


def _set_random_state(state: tuple[torch.Tensor, torch.Tensor | None]) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1])
