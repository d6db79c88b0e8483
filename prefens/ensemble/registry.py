"""Blending methods and calibrations by name."""

from typing import Any

from prefens.core.errors import ConfigError
from prefens.ensemble.base import Blender
from prefens.ensemble.calibration import KINDS, Calibrated, Calibration
from prefens.ensemble.class_weights import ClassWeights
from prefens.ensemble.convex_weights import LogLossWeights
from prefens.ensemble.greedy import GreedySelection
from prefens.ensemble.log_pool import LogPool
from prefens.ensemble.seed_average import SeedAverage
from prefens.ensemble.soft_vote import SoftVote
from prefens.ensemble.stacking import Stacking

BLENDERS: tuple[type[Blender], ...] = (
    SoftVote,
    SeedAverage,
    LogLossWeights,
    LogPool,
    GreedySelection,
    ClassWeights,
    Stacking,
)
METHODS: dict[str, type[Blender]] = {kind.name: kind for kind in BLENDERS}


def method(name: str) -> type[Blender]:
    """Return the blender class of a method.

    Raises
    ------
    ConfigError
        If no method has this name.
    """
    if name not in METHODS:
        raise ConfigError(f"method {name!r}", f"one of {', '.join(METHODS)}", "correct the name")
    return METHODS[name]


def calibration(name: str) -> type[Calibration]:
    """Return the class of a calibration.

    Raises
    ------
    ConfigError
        If no calibration has this name.
    """
    if name not in KINDS:
        raise ConfigError(f"calibration {name!r}", f"one of {', '.join(KINDS)}", "correct calibrations=")
    return KINDS[name]


def restore(state: dict[str, Any]) -> Blender:
    """Return the fitted blender that a `state` was saved from.

    Raises
    ------
    ConfigError
        If the state names an unknown method or calibration.
    """
    if "base" in state:
        return Calibrated(restore(state["base"]), calibration(state["calibration"])()).load_state(state)
    return method(state["method"])().load_state(state)
