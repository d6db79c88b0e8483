"""The leaderboard: scores and costs of members and blends, and what weights rest on, with tables and figures."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.reporting.leaderboard.fold_runs import Cost, FoldRun, load_fold_runs, total_cost
    from prefens.reporting.leaderboard.section import leaderboard_section

__all__ = [
    "Cost",
    "FoldRun",
    "leaderboard_section",
    "load_fold_runs",
    "total_cost",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
