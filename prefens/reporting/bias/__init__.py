"""The bias audit: effects of traits on votes and on predictions, with their tables and figures."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.reporting.bias.audit import BiasAudit, bias_audit
    from prefens.reporting.bias.effects import bias_effects
    from prefens.reporting.bias.estimator import Effect, Estimate, Estimates, estimate
    from prefens.reporting.bias.section import bias_section
    from prefens.reporting.bias.swapped_duplicates import change_under_swap, find_swapped_duplicates

__all__ = [
    "BiasAudit",
    "Effect",
    "Estimate",
    "Estimates",
    "bias_audit",
    "bias_effects",
    "bias_section",
    "change_under_swap",
    "estimate",
    "find_swapped_duplicates",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
