"""Loading pretrained encoders and tokenizers from a directory: safetensors only, never remote code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def load_encoder(directory: Path) -> Any:
    """Return the encoder of a model directory, with fp32 weights."""
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return AutoModel.from_pretrained(directory, use_safetensors=True, trust_remote_code=False, dtype=torch.float32)


def read_config(directory: Path) -> Any:
    """Return the config of a model directory."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(directory, trust_remote_code=False)


def empty_encoder(directory: Path) -> Any:
    """Return the encoder that a directory's config.json describes, for weights that are loaded afterwards."""
    from transformers import AutoModel

    return AutoModel.from_config(read_config(directory), dtype=torch.float32)  # type: ignore[no-untyped-call]


def outlined_encoder(directory: Path) -> Any:
    """Return the same as `empty_encoder`, without memory for the weights: it can only be looked at."""
    with torch.device("meta"):
        return empty_encoder(directory)


def load_tokenizer(directory: Path) -> Any:
    """Return the tokenizer of a model directory."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(directory, trust_remote_code=False)


def longest_sequence(encoder: Any) -> int | None:
    """Return how many tokens the encoder has positions for, or None where positions are relative."""
    positions = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    if not isinstance(positions, torch.nn.Embedding) or not getattr(encoder.config, "position_biased_input", True):
        return None
    padding = positions.padding_idx  # RoBERTa and XLM-R count positions from the padding id on
    return positions.num_embeddings - (0 if padding is None else padding + 1)
