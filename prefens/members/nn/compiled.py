"""Forward passes of encoders through torch.compile, compiled once for all folds and seeds of a process.

The compiled code takes weights as inputs and sequence lengths as variables, so another encoder of the same architecture
runs it without a second compilation. Attention over packed sequences depends on their lengths and is not compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch

from prefens.members.nn.packed_attention import ATTENTION_NAME, packed_attention


def last_hidden_states(encoder: Any, inputs: Mapping[str, Any]) -> torch.Tensor:
    """Return the (n, t, d) last hidden states of an encoder for its keyword arguments `inputs`."""
    states: torch.Tensor = encoder(**inputs).last_hidden_state
    return states


@cache
def compiled_last_hidden_states() -> Callable[[Any, Mapping[str, Any]], torch.Tensor]:
    """Return `last_hidden_states` compiled; every call in a process returns the same function."""
    from transformers import AttentionInterface

    uncompiled = torch.compiler.disable(packed_attention)  # type: ignore[no-untyped-call]
    AttentionInterface.register(ATTENTION_NAME, uncompiled)
    return torch.compile(last_hidden_states, dynamic=True)
