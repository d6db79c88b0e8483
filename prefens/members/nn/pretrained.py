"""Loading pretrained encoders, causal models and tokenizers from a directory: safetensors only, never remote code."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from prefens.core.errors import BackboneError, counted
from prefens.members.backbone_config import check_config
from prefens.members.nn.weight_format import FP32, WeightFormat, hold, limit_layers, quantized_loading

DO = "download the files again, or give another encoder"


def load_encoder(directory: Path, form: WeightFormat = FP32) -> Any:
    """Return the encoder, or the causal model without its language head, of a model directory.

    Parameters
    ----------
    directory : Path
        config.json and safetensors.
    form : WeightFormat
        How its weights are held; such as are not in fp32 are never trained.

    Raises
    ------
    BackboneError
        Weights are missing; transformers would draw them at random. Those of a pooler may be, since it is never used.
        Or the files are damaged, config.json asks for what is fetched from elsewhere, or fp16 can't hold a weight.
    ConfigError
        The model has fewer layers, or this machine can't quantize.
    """
    from transformers import AutoModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.getLogger("transformers.modeling_utils").addFilter(_is_no_load_report)
    config = limit_layers(_configured(read_config(directory)), form.layers)
    quantized = quantized_loading(form)
    try:
        encoder, report = AutoModel.from_pretrained(
            directory, config=config, use_safetensors=True, trust_remote_code=False, dtype=form.dtype.torch_dtype,
            output_loading_info=True, **quantized,
        )  # fmt: skip
    except Exception as error:  # of transformers, safetensors and torch, each for another damage
        came = f"{directory}: {_first_line(error)}"
        raise BackboneError(came, "the weights of the model that config.json describes", DO) from error
    missing = sorted(name for name in report["missing_keys"] if "pooler" not in name.split("."))
    if missing:
        raise BackboneError(
            f"{directory}: no weights for {counted(len(missing), 'part')} of the encoder, such as {missing[0]}",
            "weights of the whole encoder that config.json describes",
            "give the directory of a complete model; a config.json of another model may lie there",
        )
    if not form.exact:
        hold(encoder, form)
    return encoder


def _is_no_load_report(record: logging.LogRecord) -> bool:
    """Filter transformers' table of unused weights from the log: missing ones are an error already."""
    return " LOAD REPORT" not in record.getMessage()


def read_config(directory: Path) -> Any:
    """Return the config of a model directory; BackboneError where it is damaged, or unknown to transformers."""
    from transformers import AutoConfig

    check_config(directory)
    try:
        return AutoConfig.from_pretrained(directory, trust_remote_code=False)
    except Exception as error:  # of transformers, for each kind of a wrong value
        raise _unknown(directory, error) from error


def _configured(config: Any) -> Any:
    """Return a config with the attention that computes what the model was trained with, and no cache of old tokens."""
    if getattr(config, "attn_logit_softcapping", None) is not None:  # Gemma-2: sdpa leaves the soft cap out
        config._attn_implementation = "eager"
    if hasattr(config, "use_cache"):
        config.use_cache = False
    return config


def encoder_from_config(directory: Path) -> Any:
    """Return the encoder that a directory's config.json describes, with random weights, to load others into."""
    from transformers import AutoModel

    return AutoModel.from_config(_configured(read_config(directory)), trust_remote_code=False, dtype=torch.float32)  # type: ignore[no-untyped-call]


def load_tokenizer(directory: Path) -> Any:
    """Return the fast tokenizer of a model directory.

    Raises
    ------
    BackboneError
        There is none, or it has no vocabulary.
    """
    from transformers import AutoTokenizer
    from transformers.tokenization_utils_base import VERY_LARGE_INTEGER

    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
        tokenizer.model_max_length = VERY_LARGE_INTEGER  # texts are cut by our budgets, whatever its files say
        tokenizer("one", "two")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # of transformers and tokenizers, whose panics are no Exception
        raise BackboneError(
            f"the tokenizer of {directory}: {_first_line(error)}",
            "tokenizer.json, or a vocabulary that transformers turns into one",
            "pip install sentencepiece, or add tokenizer.json (tokenizer.save_pretrained(DIR) writes it)",
        ) from error
    empty = len(tokenizer) <= len(tokenizer.all_special_tokens)  # transformers makes one where there is no vocabulary
    if empty or not tokenizer.is_fast:
        raise BackboneError(
            f"the tokenizer of {directory}: {'no vocabulary' if empty else type(tokenizer).__name__}",
            "a fast tokenizer with its vocabulary",
            "add its tokenizer.json (tokenizer.save_pretrained(DIR) writes it)",
        )
    if tokenizer.pad_token_id is None and is_causal(directory):  # Llama; the mask hides whatever fills a batch
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.bos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def max_sequence_length(directory: Path) -> int | None:
    """Return the number of tokens that the model of a directory can read, or None where there is no limit.

    Raises
    ------
    BackboneError
        As `meta_model`.
    """
    return _max_positions(meta_model(directory))


def is_causal(directory: Path) -> bool:
    """Return whether the model of a directory is causal: a token sees nothing of what follows it.

    Raises
    ------
    BackboneError
        As `meta_model`.
    """
    return any(getattr(module, "is_causal", False) is True for module in meta_model(directory).modules())


def meta_model(directory: Path, layers: int | None = None) -> Any:
    """Return the model that a directory's config.json describes, without weights and without memory.

    `layers` is the number of its layers, from the lowest, None for all.

    Raises
    ------
    BackboneError
        It describes no encoder and no causal model; an encoder-decoder has no single sequence of states.
    ConfigError
        It has fewer layers.
    """
    check_config(directory)
    return _meta_model(directory, (directory / "config.json").read_bytes(), layers)


@lru_cache(maxsize=100)
def _meta_model(directory: Path, content: bytes, layers: int | None) -> Any:
    """Return the model of a directory whose config.json has this content."""
    from transformers import AutoModel

    config = limit_layers(read_config(directory), layers)
    try:
        with torch.device("meta"):
            model = AutoModel.from_config(config, trust_remote_code=False)  # type: ignore[no-untyped-call]
    except Exception as error:  # of transformers, for each kind of a wrong value
        raise _unknown(directory, error) from error
    if config.is_encoder_decoder:
        raise BackboneError(
            f"{directory / 'config.json'} describes {type(model).__name__}, an encoder-decoder",
            "an encoder or a causal model, which have one sequence of states",
            "choose one, such as backbone=deberta-v3-xsmall",
        )
    return model


def _unknown(directory: Path, error: Exception) -> BackboneError:
    return BackboneError(
        f"{directory / 'config.json'}: {_first_line(error)}",
        "an encoder or a causal model that transformers knows (code from the hub is never run)",
        "choose BERT, RoBERTa, XLM-R, DeBERTa, ELECTRA, MPNet, ModernBERT, Llama, Qwen, Gemma or another of theirs",
    )


def _max_positions(model: Any) -> int | None:
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    if not getattr(model.config, "position_biased_input", True):
        return None  # DeBERTa: distances between tokens, far ones share a bucket
    if not isinstance(table, torch.nn.Embedding):  # rotary, sinusoidal: as far as it was trained
        positions = getattr(model.config, "max_position_embeddings", None)
        return None if positions is None else int(positions)
    padding = table.padding_idx  # RoBERTa, XLM-R and MPNet count positions from the padding id on
    return table.num_embeddings - (0 if padding is None else padding + 1)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {next((line for line in str(error).splitlines() if line.strip()), '')[:200]}"
