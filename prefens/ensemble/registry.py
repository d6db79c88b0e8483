"""Blending methods and calibrations by name."""

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from prefens.core.errors import BLEND_AGAIN, BlendError, ConfigError
from prefens.ensemble.base import Blender, shown
from prefens.ensemble.calibration import KINDS, Calibrated, Calibration
from prefens.ensemble.class_weights import ClassWeights
from prefens.ensemble.convex_weights import LogLossWeights
from prefens.ensemble.greedy import GreedySelection
from prefens.ensemble.log_pool import LogPool
from prefens.ensemble.seed_average import SeedAverage
from prefens.ensemble.soft_vote import SoftVote
from prefens.ensemble.stacking import Stacking

T = TypeVar("T")

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


def restore(state: Any, members: int | None = None) -> Blender:
    """Return the fitted blender that a `state` was saved from, and check it: the state may be of any origin.

    A setting that the state lacks, since it did not exist when the state was saved, has its default.

    Parameters
    ----------
    state : JSON value
        What `Blender.state` returned.
    members : int or None
        The number of members that it must be fitted on; None for any.

    Raises
    ------
    BlendError
        If a field is missing, or of another type, shape or range.
    """
    if isinstance(state, dict) and isinstance(state.get("base"), dict) and "base" not in state["base"]:
        calibrate = _known(KINDS, state.get("calibration"), "calibration")
        return Calibrated(restore(state["base"], members), calibrate()).load_state(state)
    if not isinstance(state, dict):
        raise BlendError(f"state is {shown(state)}", "the state of a method", BLEND_AGAIN)
    kind = _known(METHODS, state.get("method"), "method")
    blender = _with_settings(kind, state.get("settings", {})).load_state(state)
    if members is not None and blender.state()["members"] != members:
        raise BlendError(
            f"state.members is {blender.state()['members']}", f"{members}, those of the blend", BLEND_AGAIN
        )
    return blender


def _with_settings(kind: type[Blender], settings: Any) -> Blender:
    """Return an unfitted blender with settings of any origin."""
    if not isinstance(settings, dict) or (settings and not is_dataclass(kind)):
        raise BlendError(f"state.settings is {shown(settings)}", f"the settings of {kind.name}", BLEND_AGAIN)
    try:
        return TypeAdapter(kind).validate_json(json.dumps(settings), strict=True) if settings else kind()
    except ConfigError as error:  # of the blender itself
        raise BlendError(f"state.settings: {error.came}", error.expected, BLEND_AGAIN) from error
    except ValidationError as error:
        wrong = error.errors()[0]
        came = f"state.settings.{'.'.join(map(str, wrong['loc']))} is {shown(wrong['input'])}"
        raise BlendError(came, f"the settings of {kind.name}", BLEND_AGAIN) from error


def _known(classes: Mapping[str, type[T]], name: Any, field: str) -> type[T]:
    if not isinstance(name, str) or name not in classes:
        raise BlendError(f"state.{field} is {shown(name)}", f"one of {', '.join(classes)}", BLEND_AGAIN)
    return classes[name]
