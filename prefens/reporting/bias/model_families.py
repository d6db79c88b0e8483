"""Families of models by the models' names, and the words by which a response names its own family or maker."""

from __future__ import annotations

import re
from functools import cache

SIZE_OR_VERSION = re.compile(r"v?\d+(\.\d+)*[bmk]?|v\d.*|chat|instruct|base")
# Families with several names; every other family is called by the first part of its models' names.
FAMILIES = {
    "gpt": ("gpt", "chatgpt", "text", "davinci"),
    "google": ("google", "bard", "gemini", "palm", "gemma"),
    "claude": ("claude",),
    "llama": ("llama", "llama2", "codellama", "meta"),
    "mistral": ("mistral", "mixtral"),
}
MAKERS = {
    "gpt": ("openai", "chatgpt", "gpt"),
    "google": ("google", "bard", "gemini", "palm", "gemma"),
    "claude": ("anthropic", "claude"),
    "llama": ("meta ai", "llama"),
    "mistral": ("mistral", "mixtral"),
    "command": ("cohere",),
    "qwen": ("qwen", "alibaba", "tongyi"),
    "vicuna": ("vicuna", "lmsys"),
    "koala": ("berkeley",),  # not "koala": texts on the animal would count
    "alpaca": ("stanford",),
    "falcon": ("tii",),
}
PLACEHOLDERS = frozenset({"unknown", "model", "human", "none", "anonymous", "x", "y", ""})
FAMILY_OF_NAME = {name: family for family, names in FAMILIES.items() for name in names}


@cache
def model_family(model: str) -> str:
    """Return a model's family: the first part of its name that is no size or version; "" for a placeholder."""
    parts = [part for part in re.split(r"[-_./\s]+", model.lower()) if not SIZE_OR_VERSION.fullmatch(part)]
    first = re.sub(r"\d+$", "", parts[0]) if parts else ""
    return "" if first in PLACEHOLDERS else FAMILY_OF_NAME.get(first, first)


@cache
def own_names(model: str) -> tuple[str, ...]:
    """Return the words, in lower case, by which a response of a model names its family or maker."""
    family = model_family(model)
    return MAKERS.get(family, (family,)) if len(family) > 2 else ()
