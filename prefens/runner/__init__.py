"""What the commands do: settings, sweeps, training, searching, blending, and the tables that they print."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.runner.blend.inputs import load_blend_inputs
    from prefens.runner.blend.sources import BlendSources
    from prefens.runner.early_discard import EarlyDiscard
    from prefens.runner.results import FoldResult, Prediction, TrialRow
    from prefens.runner.search import Search
    from prefens.runner.sweep import JobOutcome, Sweep
    from prefens.runner.sweep_status import SplitStatus, SweepStatus, read_sweep_status
    from prefens.runner.sync import open_tracker, sync_store
    from prefens.runner.trainer import Trainer

__all__ = [
    "BlendSources",
    "EarlyDiscard",
    "FoldResult",
    "JobOutcome",
    "Prediction",
    "Search",
    "SplitStatus",
    "Sweep",
    "SweepStatus",
    "Trainer",
    "TrialRow",
    "load_blend_inputs",
    "open_tracker",
    "read_sweep_status",
    "sync_store",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
