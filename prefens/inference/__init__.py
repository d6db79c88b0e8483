"""Prediction of new pairs by stored members and a fitted blend, and checks of stored models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.inference.attachments import link_backbones
    from prefens.inference.bundle import make_bundle
    from prefens.inference.candidate_scores import ScoredRow, score_file
    from prefens.inference.checks import check_predictions, swap_gaps
    from prefens.inference.comparison import Comparison, compare_rows, read_comparisons
    from prefens.inference.from_files import predict_files
    from prefens.inference.kaggle_inputs import choose_test, list_test_files
    from prefens.inference.predictor import Predictor
    from prefens.inference.reward_ensemble import Ensemble
    from prefens.inference.saved_model import PreferenceModel, find_predictor
    from prefens.inference.scorer import Scorer, Scores, member_predictor
    from prefens.inference.serving import Limits, ServedModel, serve
    from prefens.inference.unfinished import Unfinished

__all__ = [
    "Comparison",
    "Ensemble",
    "Limits",
    "Predictor",
    "PreferenceModel",
    "ScoredRow",
    "Scorer",
    "Scores",
    "ServedModel",
    "Unfinished",
    "check_predictions",
    "choose_test",
    "compare_rows",
    "find_predictor",
    "link_backbones",
    "list_test_files",
    "make_bundle",
    "member_predictor",
    "predict_files",
    "read_comparisons",
    "score_file",
    "serve",
    "swap_gaps",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
