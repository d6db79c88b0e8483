"""The files of a pretrained encoder against each other, before anything is trained on them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from prefens.core.errors import BackboneError
from prefens.members.backbone_files import WEIGHTS, fingerprint
from prefens.members.nn.pretrained import DO, load_tokenizer, meta_model

POINTER = b"version https://git-lfs"


def check_backbone(directory: Path) -> None:
    """Check the weights, the config and the tokenizer of a model directory; once for the same files.

    Raises
    ------
    BackboneError
        A file of weights is cut, missing or no safetensors file, weights are not finite or of other shapes than
        config.json says, or the tokenizer has tokens without a vector, or no padding token.
    """
    _check(directory, fingerprint(directory))


@lru_cache(maxsize=100)
def _check(directory: Path, content: str) -> None:
    """Check the files with this fingerprint."""
    model = meta_model(directory)
    expected = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    for path in weight_files(directory):
        for name, weight in read_weights(path):
            if not torch.isfinite(weight).all():
                raise BackboneError(f"{path}: {name} has values that are no numbers", "finite weights", DO)
            wanted = expected.get(name) or expected.get(name.partition(".")[2])  # with or without the model's prefix
            if wanted is not None and tuple(weight.shape) != wanted:
                came = f"{path}: {name} has the shape {tuple(weight.shape)}"
                raise BackboneError(came, f"{wanted}, by {directory / 'config.json'}", DO)
    _check_tokenizer(directory, model.get_input_embeddings().weight.shape[0])


def _check_tokenizer(directory: Path, vectors: int) -> None:
    tokenizer = load_tokenizer(directory)
    # Special tokens without a role never come from a text: Gemma-3 has one for images, and no vector for it.
    roles = {token for token in tokenizer.special_tokens_map.values() if isinstance(token, str)}
    added = tokenizer.added_tokens_decoder.values()
    unused = {token.content for token in added if token.special} - roles
    last = max(number for token, number in tokenizer.get_vocab().items() if token not in unused)
    if last >= vectors:
        came = f"the tokenizer of {directory} has tokens up to {last}, and the encoder {vectors} vectors"
        raise BackboneError(came, "a vector for each token", "give the tokenizer that belongs to the encoder")
    if tokenizer.pad_token_id is None:
        do = "set pad_token in tokenizer_config.json to the one that it was pretrained with"
        raise BackboneError(f"the tokenizer of {directory} has no padding token", "one", do)


def weight_files(directory: Path) -> list[Path]:
    """Return the files of the weights of a model directory: one, or the shards that an index names.

    Raises
    ------
    BackboneError
        The index is damaged, or names files that are missing or elsewhere.
    """
    index = directory / f"{WEIGHTS}.index.json"
    if (directory / WEIGHTS).is_file():
        return [directory / WEIGHTS]
    try:
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BackboneError(f"{index}: {type(error).__name__}", "the index of a model's shards", DO) from error
    for name in names:
        if Path(name).name != name or not (directory / name).is_file():
            raise BackboneError(f"{directory}: no {name:.80}, which {index.name} names", "all shards", DO)
    return [directory / name for name in names]


def read_weights(path: Path, wanted: str | None = None) -> Iterator[tuple[str, Any]]:
    """Yield the names and the tensors of a file, all or the `wanted` one; BackboneError where it is damaged."""
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as stream:
        if stream.read(len(POINTER)) == POINTER:
            do = "git lfs pull fetches it; or " + DO
            raise BackboneError(f"{path} is a pointer file of Git LFS", "the weights themselves", do)
    try:
        with safe_open(path, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - it is no mapping
                if wanted is None or name == wanted:
                    yield name, weights.get_tensor(name)
    except SafetensorError as error:
        came = f"{path} ({path.stat().st_size:,} bytes): {str(error)[:100]}"
        raise BackboneError(came, "a whole safetensors file", DO) from error


def load_score(directory: Path) -> torch.Tensor:
    """Return the (1, d) float32 weights of a reward model's scalar score.

    Raises
    ------
    BackboneError
        The model has none.
    """
    for path in weight_files(directory):
        for _, weight in read_weights(path, "score.weight"):
            if weight.ndim == 2 and weight.shape[0] == 1:
                score: torch.Tensor = weight.float()
                return score
    raise BackboneError(
        f"{directory}: no scalar score among its weights, and backbone.reward=true",
        "a causal reward model (AutoModelForSequenceClassification with num_labels=1), whose score.weight is (1, d)",
        "choose such a model, or set backbone.reward=false",
    )
