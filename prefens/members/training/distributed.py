"""Several processes that train one fold run together, as `accelerate launch` or `torchrun` starts them.

The main process does all that is done once: it alone writes. With a single process nothing is loaded for this, and
every exchange returns what it was given.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

PATIENCE = timedelta(days=7)  # the others wait while the main process predicts and writes, or waits for a lease


def count() -> int:
    """Return how many processes train together, at least 1."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def rank() -> int:
    """Return which of them this is: 0 is the main process."""
    return int(os.environ["RANK"]) if count() > 1 else 0


def device() -> torch.device:
    """Return this process's accelerator where there is one, else the CPU."""
    import torch

    if count() > 1:
        return torch.device(_joined()[0].device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def reseed(seed: int, step: int) -> None:
    """Give each process random numbers of its own at each step, which resuming finds again; a single one goes on."""
    if count() > 1:
        import numpy as np
        import torch

        torch.manual_seed(int(np.random.SeedSequence([seed, step, rank()]).generate_state(1)[0]))


def total(values: Sequence[float]) -> list[float]:
    """Return the sum over the processes of each value."""
    return _reduced(values, "SUM")


def smallest(value: int) -> int:
    """Return the smallest of the processes' values."""
    return int(_reduced([value], "MIN")[0])


def largest(value: int) -> int:
    """Return the largest of the processes' values."""
    return int(_reduced([value], "MAX")[0])


def add_gradients(weights: Iterable[torch.nn.Parameter]) -> None:
    """Replace each gradient by its sum over the processes."""
    if count() == 1:
        return
    import torch
    from torch import distributed

    weights = list(weights)
    reached = _reduced([weight.grad is not None for weight in weights], "MAX")
    for weight in (weight for weight, anywhere in zip(weights, reached, strict=True) if anywhere):
        if weight.grad is None:  # a step of fewer pairs than processes
            weight.grad = torch.zeros_like(weight)
        distributed.all_reduce(weight.grad)


def broadcast(value: Any) -> Any:
    """Return what the main process gave, in each of them."""
    if count() == 1:
        return value
    from torch import distributed

    box = [value]
    distributed.broadcast_object_list(box, src=0, group=_joined()[1])
    return box[0]


def _reduced(values: Sequence[float], how: str) -> list[float]:
    if count() == 1:
        return list(values)
    import torch
    from torch import distributed

    tensor = torch.tensor(values, dtype=torch.float64)
    distributed.all_reduce(tensor, getattr(distributed.ReduceOp, how), group=_joined()[1])
    return [float(value) for value in tensor]


@lru_cache
def _joined() -> tuple[Any, Any]:
    """Join the other processes; return accelerate's state and a group for words and numbers, which stay on the CPU."""
    import torch
    from accelerate import PartialState
    from torch import distributed

    state = PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)
    return state, distributed.new_group(backend="gloo", timeout=PATIENCE)
