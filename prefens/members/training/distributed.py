"""Several processes that train one fold run together, as `accelerate launch` or `torchrun` starts them.

The main process, of rank 0, alone writes files. With a single process, torch.distributed is not loaded, and every
exchange returns its input.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

TIMEOUT = timedelta(days=7)  # the others wait while the main process predicts, writes, or waits for a lease


def world_size() -> int:
    """Return the number of processes that train together, at least 1."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def rank() -> int:
    """Return the rank of this process: 0 for the main process."""
    return int(os.environ["RANK"]) if world_size() > 1 else 0


def device() -> torch.device:
    """Return this process's accelerator where there is one, else the CPU."""
    import torch

    if world_size() > 1:
        return torch.device(_join()[0].device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def reseed(seed: int, step: int) -> None:
    """Seed torch by seed, step and rank, so that resuming draws the same; a single process keeps its random state."""
    if world_size() > 1:
        import numpy as np
        import torch

        torch.manual_seed(int(np.random.SeedSequence([seed, step, rank()]).generate_state(1)[0]))


def all_sum(value: float) -> float:
    """Return the sum of a value over the processes."""
    return _all_reduce([value], "SUM")[0]


def all_min(value: int) -> int:
    """Return the minimum of a value over the processes."""
    return int(_all_reduce([value], "MIN")[0])


def all_max(value: int) -> int:
    """Return the maximum of a value over the processes."""
    return int(_all_reduce([value], "MAX")[0])


def sum_gradients(weights: Iterable[torch.nn.Parameter]) -> None:
    """Replace each weight's gradient by its sum over the processes."""
    if world_size() == 1:
        return
    import torch
    from torch import distributed

    weights = list(weights)
    has_gradient = _all_reduce([weight.grad is not None for weight in weights], "MAX")
    for weight in (weight for weight, anywhere in zip(weights, has_gradient, strict=True) if anywhere):
        if weight.grad is None:  # a step of fewer pairs than processes
            weight.grad = torch.zeros_like(weight)
        distributed.all_reduce(weight.grad)


def broadcast(value: Any) -> Any:
    """Return the main process's value in every process; it is pickled on the way."""
    if world_size() == 1:
        return value
    from torch import distributed

    values = [value]
    distributed.broadcast_object_list(values, src=0, group=_join()[1])
    return values[0]


def _all_reduce(values: Sequence[float], operation: str) -> list[float]:
    if world_size() == 1:
        return list(values)
    import torch
    from torch import distributed

    tensor = torch.tensor(values, dtype=torch.float64)
    distributed.all_reduce(tensor, getattr(distributed.ReduceOp, operation), group=_join()[1])
    return [float(value) for value in tensor]


@lru_cache
def _join() -> tuple[Any, Any]:
    """Join the other processes; return accelerate's state and a group on the CPU, for objects and numbers."""
    import torch
    from accelerate import PartialState
    from torch import distributed

    state = PartialState(cpu=not torch.cuda.is_available(), timeout=TIMEOUT)
    return state, distributed.new_group(backend="gloo", timeout=TIMEOUT)
