"""Export of fitted members as models of transformers, which load without prefens."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.members.export.model_folder import export_model
    from prefens.members.export.reward_model import RewardModel, make_reward_model

__all__ = ["RewardModel", "export_model", "make_reward_model"]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
