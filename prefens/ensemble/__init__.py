"""Blending: rules that turn the members' probabilities into one prediction, with honest scores and a diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.ensemble.arrays import ArrayBlend, blend_arrays
    from prefens.ensemble.base import Blender, WeightedBlender
    from prefens.ensemble.blend import Blend, make_blend
    from prefens.ensemble.calibration import Calibrated, Calibration
    from prefens.ensemble.class_weights import ClassWeights
    from prefens.ensemble.complementarity import MarginalGain, marginal_gain
    from prefens.ensemble.convex_weights import LogLossWeights
    from prefens.ensemble.crossfit import cross_fit, evaluate
    from prefens.ensemble.diagnostics import diagnose
    from prefens.ensemble.files.blend_files import read_blend, write_blend
    from prefens.ensemble.greedy import GreedySelection
    from prefens.ensemble.inputs import BlendInputs
    from prefens.ensemble.leaderboard import LeaderboardRow, Scores
    from prefens.ensemble.log_pool import LogPool
    from prefens.ensemble.results import BlendResult, Diagnosis, MemberDiagnosis, NestedSelection
    from prefens.ensemble.seed_average import SeedAverage
    from prefens.ensemble.soft_vote import SoftVote
    from prefens.ensemble.stacking import Stacking

__all__ = [
    "ArrayBlend",
    "Blend",
    "BlendInputs",
    "BlendResult",
    "Blender",
    "Calibrated",
    "Calibration",
    "ClassWeights",
    "Diagnosis",
    "GreedySelection",
    "LeaderboardRow",
    "LogLossWeights",
    "LogPool",
    "MarginalGain",
    "MemberDiagnosis",
    "NestedSelection",
    "Scores",
    "SeedAverage",
    "SoftVote",
    "Stacking",
    "WeightedBlender",
    "blend_arrays",
    "cross_fit",
    "diagnose",
    "evaluate",
    "make_blend",
    "marginal_gain",
    "read_blend",
    "write_blend",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
