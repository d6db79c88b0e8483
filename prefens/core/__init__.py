"""Types, errors, files, hashing, metrics and the other bases that every package of prefens uses."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.core.bootstrap import GroupBootstrap
    from prefens.core.errors import (
        BackboneError,
        BlendError,
        ConfigError,
        DataError,
        PrefensError,
        StoreError,
        TrainingError,
    )
    from prefens.core.files import atomic_write, write_json
    from prefens.core.fold_run import FoldPredictions, RunKey
    from prefens.core.hashing import digest
    from prefens.core.metrics import accuracy, calibration_error, log_loss, outcome_shares
    from prefens.core.types import Folds, MemberInfo, OOFStack, Outcome, PairFeatures, Pairs

__all__ = [
    "BackboneError",
    "BlendError",
    "ConfigError",
    "DataError",
    "FoldPredictions",
    "Folds",
    "GroupBootstrap",
    "MemberInfo",
    "OOFStack",
    "Outcome",
    "PairFeatures",
    "Pairs",
    "PrefensError",
    "RunKey",
    "StoreError",
    "TrainingError",
    "accuracy",
    "atomic_write",
    "calibration_error",
    "digest",
    "log_loss",
    "outcome_shares",
    "write_json",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
