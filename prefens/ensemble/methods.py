"""The blending methods by name."""

from typing import Any

from prefens.ensemble.base import Blender
from prefens.ensemble.convex import LogLossWeights
from prefens.ensemble.soft_vote import SoftVote
from prefens.errors import ConfigError

METHODS: dict[str, type[Blender]] = {kind.name: kind for kind in (SoftVote, LogLossWeights)}


def method(name: str) -> type[Blender]:
    """Return the blender of that name (ConfigError for an unknown one)."""
    if name not in METHODS:
        raise ConfigError(f"method {name!r}", f"one of {', '.join(METHODS)}", "correct the name")
    return METHODS[name]


def restore(state: dict[str, Any]) -> Blender:
    """Return the fitted blender whose `state` this is."""
    return method(state["method"])().load_state(state)
