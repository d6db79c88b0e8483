"""Ratings of the models in the data, from votes and from predictions: Bradley-Terry and Davidson, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.ensemble.ratings.agreement import Agreement, Reversal, compare
    from prefens.ensemble.ratings.comparisons import Comparisons, make_comparisons
    from prefens.ensemble.ratings.paired_model import Kind, PairedFit, fit
    from prefens.ensemble.ratings.rating import Rating, Ratings, rate
    from prefens.ensemble.ratings.summary import RatingSummary, rate_models

__all__ = [
    "Agreement",
    "Comparisons",
    "Kind",
    "PairedFit",
    "Rating",
    "RatingSummary",
    "Ratings",
    "Reversal",
    "compare",
    "fit",
    "make_comparisons",
    "rate",
    "rate_models",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
