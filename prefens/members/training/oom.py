"""When memory runs out: the same work again in smaller parts."""

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

Agree = Callable[[int], int]


@dataclass
class TokenBudget:
    """How many real tokens go through the model at once; less after memory ran out."""

    tokens: int

    def spend(
        self,
        work: Callable[[Ints], None],
        rows: Ints,
        lengths: NDArray[np.int64],
        undo: Callable[[], None] = lambda: None,
        agree: Agree = int,
    ) -> None:
        """Call `work` for the micro-batches of `rows`; where memory runs out, all over again in smaller ones.

        `undo` takes back what `work` did, but for random numbers, which are drawn again as they were. `agree` returns
        the smallest of the budgets that processes working together ask for. TrainingError where one pair is too much.
        """
        while True:
            before = _random_state()
            wanted = self._try(work, rows, lengths)
            agreed = agree(wanted)
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
            _restore(before)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _try(self, work: Callable[[Ints], None], rows: Ints, lengths: NDArray[np.int64]) -> int:
        """Return the budget to go on with: this one, a smaller one, or 0 where a pair on its own did not fit."""
        parts = list(micro_batches(rows, lengths, self.tokens))
        for part in parts:
            try:
                work(part)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
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


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the accelerator or the machine has no memory left."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def _random_state() -> tuple[torch.Tensor, torch.Tensor | None]:
    return torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_available() else None


def _restore(state: tuple[torch.Tensor, torch.Tensor | None]) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1])
