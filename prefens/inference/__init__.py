"""Prediction of new pairs by stored members and a fitted blend, and checks of stored models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.inference.attachments import link_backbones
    from prefens.inference.bundle import make_bundle
    from prefens.inference.checks import check_predictions, swap_gaps
    from prefens.inference.from_files import predict_files
    from prefens.inference.kaggle_inputs import choose_test, list_test_files
    from prefens.inference.predictor import Predictor
    from prefens.inference.saved_model import PreferenceModel, find_predictor
    from prefens.inference.serving import Limits, ServedModel, serve
    from prefens.inference.unfinished import Unfinished

__all__ = [
    "Limits",
    "Predictor",
    "PreferenceModel",
    "ServedModel",
    "Unfinished",
    "check_predictions",
    "choose_test",
    "find_predictor",
    "link_backbones",
    "list_test_files",
    "make_bundle",
    "predict_files",
    "serve",
    "swap_gaps",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
