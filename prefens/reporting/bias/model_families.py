"""Which family a model is of, by its name, and by which words a response names its own family or maker."""

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
    "koala": ("berkeley",),  # an animal of its own
    "alpaca": ("stanford",),
    "falcon": ("tii",),
}
NAMELESS = frozenset({"unknown", "model", "human", "none", "anonymous", "x", "y", ""})
OF_NAME = {name: family for family, names in FAMILIES.items() for name in names}


@cache
def family(model: str) -> str:
    """Return a model's family: the first part of its name that is no size or version; "" for the unknown."""
    parts = [part for part in re.split(r"[-_./\s]+", model.lower()) if not SIZE_OR_VERSION.fullmatch(part)]
    first = re.sub(r"\d+$", "", parts[0]) if parts else ""
    return "" if first in NAMELESS else OF_NAME.get(first, first)


@cache
def own_names(model: str) -> tuple[str, ...]:
    """Return the words, in lower case, by which a response of this model names its family or maker."""
    found = family(model)
    return MAKERS.get(found, (found,)) if len(found) > 2 else ()
