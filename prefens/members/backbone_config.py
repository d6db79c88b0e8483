"""The config.json of a backbone, of any origin: what would fetch code or weights is refused before it is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefens.core.errors import BackboneError

ATTENTION = (None, "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
REFUSED = {
    "attribute_map": "other names for settings, under which any of them could be given",
    "transformers_weights": "weights in other files",
    "quantization_config": "weights that a quantization library would unpack",
    "use_timm_backbone": "a backbone that is fetched from elsewhere",
    "use_pretrained_backbone": "a backbone that is fetched from elsewhere",
    "use_kernels": "kernels that are fetched from the hub",
}
SIZES = {  # what no model reaches
    "vocab_size": 10**8,
    "hidden_size": 10**6,
    "num_hidden_layers": 10**4,
    "num_attention_heads": 10**4,
    "intermediate_size": 10**7,
    "max_position_embeddings": 10**8,
    "embedding_size": 10**6,
}


def check_config(directory: Path) -> None:
    """Check that transformers can read a directory without fetching anything else.

    `auto_map`, which names code, has no effect: that code is never run.

    Raises
    ------
    BackboneError
        config.json is no JSON object, has sizes that are none, or asks for kernels, quantization or another model; or
        an adapter of another model lies beside it.
    """
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _refusal(path, str(error)[:200], "the config.json of an encoder") from error
    if not isinstance(config, dict):
        raise _refusal(path, f"{config!r:.60}", "a JSON object")
    if (directory / "adapter_config.json").exists():
        expected = "a whole encoder: transformers would fetch the model that an adapter names"
        raise _refusal(directory / "adapter_config.json", "an adapter", expected)
    for name, value in _settings(config):
        if name in REFUSED and value:
            raise _refusal(path, f"{name} is {value!r:.60}: {REFUSED[name]}", f"no {name}")
        if name.lstrip("_").startswith("attn_implementation") and not (value is None or value in ATTENTION):
            raise _refusal(path, f"{name} is {value!r:.60}", f"one of {', '.join(map(str, ATTENTION))}")
        if name in SIZES and value is not None and not (type(value) is int and 0 < value < SIZES[name]):
            raise _refusal(path, f"{name} is {value!r:.60}", f"a number of 1 or more, below {SIZES[name]}")


def _settings(config: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of a config and of the configs in it, in lists too."""
    for name, value in config.items() if isinstance(config, dict) else (("", item) for item in config):
        yield name, value
        if isinstance(value, dict | list):
            yield from _settings(value)


def _refusal(path: Path, came: str, expected: str) -> BackboneError:
    return BackboneError(f"{path}: {came}", expected, "give the directory of another encoder, or download it again")
