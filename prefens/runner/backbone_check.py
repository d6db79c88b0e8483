"""Whether all backbones of a sweep or a search are at hand, before any of them is trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from prefens.core.errors import BackboneError, ConfigError
from prefens.runner.config import build_member
from prefens.runner.schemas import RecipeConfig


def check_backbones(recipes: Iterable[RecipeConfig]) -> None:
    """Look for the backbones of several recipes that have `backbones=DIR`.

    Other recipes are left alone: where the hub is at hand, one model that it lacks keeps nobody from training others.

    Raises
    ------
    BackboneError
        Some are missing; all of them are named.
    """
    errors: dict[str, BackboneError] = {}
    for recipe in recipes:
        if recipe.backbones is not None:
            try:
                build_member(recipe).identity()
            except BackboneError as error:
                errors[error.came] = error
            except ConfigError:
                continue  # its own job says so
    if errors:
        raise BackboneError(
            "\n".join(["backbones that are missing", *(f"    {came}" for came in errors)]),
            "a directory for each in backbones=DIR, by the last part of its name, or the hub; nothing was trained",
            "put config.json, model.safetensors and the tokenizer's files of each there",
        )


def recipes_of(config: DictConfig, jobs: Sequence[Sequence[str]]) -> list[Any]:
    """Return the settings of one job of a sweep for each backbone in it; `jobs` are the overrides of all."""
    loader = GlobalHydra.instance().config_loader()
    names = ("backbone", "experiment")
    distinct = {tuple(override for override in job if override.lstrip("+~").startswith(names)): job for job in jobs}
    return [loader.load_sweep_config(config, list(job)) for job in distinct.values()]
