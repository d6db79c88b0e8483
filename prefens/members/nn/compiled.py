"""Encoders through torch.compile, once for all folds and seeds of a process.

The compiled code takes the weights as inputs and lengths as variables, so another encoder of the same architecture
runs it as it is. Attention over packed sequences depends on their lengths, and stays outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch

from prefens.members.nn.packed_attention import NAME, unpadded_attention


def states_of(encoder: Any, read: Mapping[str, Any]) -> torch.Tensor:
    """Return the encoder's last hidden states for keyword arguments `read`."""
    states: torch.Tensor = encoder(**read).last_hidden_state
    return states


@cache
def compiled_states_of() -> Callable[[Any, Mapping[str, Any]], torch.Tensor]:
    """Return `states_of`, compiled; the process's only one."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, torch.compiler.disable(unpadded_attention))  # type: ignore[no-untyped-call]
    return torch.compile(states_of, dynamic=True)
