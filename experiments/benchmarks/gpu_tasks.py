"""What gpu.py measures with: models of real sizes with random weights, pairs like the arena's, and their arithmetic."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from training_throughput import ARCHITECTURES

from prefens.core.types import Ints
from prefens.data.text.tokens import PairTokens, Sequences
from prefens.data.text.truncation import TruncationAudit
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.nn.pair_model import PairModel
from prefens.members.nn.pairing import Pairing
from prefens.members.nn.pretrained import encoder_from_config, load_encoder
from prefens.members.nn.weight_format import FP32, WeightFormat, WeightType, held_weights, hold
from prefens.members.training.loop import device
from prefens.members.training.precision import Precision, compute_dtype

QWEN_05B = {
    "vocab_size": 151936, "hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14,
    "num_key_value_heads": 2, "intermediate_size": 4864, "tie_word_embeddings": True,
}  # fmt: skip
QWEN_7B = {
    "vocab_size": 152064, "hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28,
    "num_key_value_heads": 4, "intermediate_size": 18944, "tie_word_embeddings": False,
}  # fmt: skip
TINY = {
    "vocab_size": 200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
}  # fmt: skip
ENCODERS = ("bert-base", "roberta-base", "e5-small", "deberta-v3-xsmall")
LARGE = "qwen-7b"
FILES = tempfile.TemporaryDirectory(prefix="prefens-gpu-")  # removed when the process ends
PADDING = 0  # the id; masked everywhere
PROMPT_SHARE = {Pairing.siamese: 0.35, Pairing.cross: 0.2}  # of a sequence, at most


@dataclass(frozen=True, eq=False)
class Shape:
    """The size of a model, and of what it reads.

    Attributes
    ----------
    name : str
        In the tables.
    kind : str
        The prefix of transformers' classes.
    sizes : dict
        The settings of its config.
    causal : bool
        Whether it is a decoder, which reads both responses in one sequence; an encoder reads one.
    pairs, batch_pairs : int
        Pairs in a repeat, and in an optimizer step.
    max_length : int
        Tokens of a sequence at most.
    """

    name: str
    kind: str
    sizes: dict[str, Any]
    causal: bool
    pairs: int
    batch_pairs: int
    max_length: int

    @property
    def pairing(self) -> Pairing:
        return Pairing.cross if self.causal else Pairing.siamese

    @property
    def large(self) -> bool:
        """Whether it has more than 1B weights, so that activations are recomputed."""
        return self.name == LARGE


def shapes(tiny: bool) -> list[Shape]:
    """Return the encoders and the decoders, or small ones of the same families."""

    def shape(name: str, kind: str, sizes: dict[str, Any], causal: bool, *counts: int) -> Shape:
        own = {**sizes, **TINY, **({"num_key_value_heads": 1} if causal else {})} if tiny else sizes
        return Shape(name, kind, own | {"pad_token_id": PADDING}, causal, *((4, 2, 40) if tiny else counts))

    encoders = [shape(name, *ARCHITECTURES[name], False, 1024, 32, 512) for name in ENCODERS]
    return [
        *encoders,
        shape("qwen-0.5b", "Qwen2", QWEN_05B, True, 256, 32, 1024),
        shape(LARGE, "Qwen2", QWEN_7B, True, 32, 16, 1024),
    ]


def config_directory(shape: Shape, **changed: Any) -> Path:
    """Write the config of a model into a new directory, which lives as long as the process."""
    directory = Path(tempfile.mkdtemp(prefix=f"{shape.name}-", dir=FILES.name))
    getattr(transformers, f"{shape.kind}Config")(**(shape.sizes | changed)).save_pretrained(directory)
    return directory


def make_model(shape: Shape, form: WeightFormat = FP32, **changed: Any) -> PairModel:
    """Return a pair model with random weights, made on the device: 7B would take minutes on a CPU."""
    torch.manual_seed(0)
    head = HeadSettings(kind=HeadKind.mlp if shape.causal else HeadKind.equivariant).resolved(shape.causal)
    if form.quant is not None:
        encoder = load_encoder(saved_weights(shape), form)
    else:
        encoder = random_encoder(config_directory(shape, **changed), form)
        if not form.exact:
            hold(encoder, form)
    model = PairModel(encoder, head, shape.pairing).to(device())
    model.compute_dtype = compute_dtype(Precision.auto, device())
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()  # making the weights took more than having them
    return model


def random_encoder(directory: Path, form: WeightFormat) -> Any:
    """Return an encoder on the device, its large matrices in the type of `form`."""
    with torch.device(device()):
        encoder = encoder_from_config(directory)
    for weight in held_weights(encoder).values():
        weight.data = weight.data.to(form.dtype.torch_dtype)
    return encoder


@cache
def saved_weights(shape: Shape) -> Path:
    """Write a model with random weights in bf16, since what quantizes reads files."""
    directory = config_directory(shape)
    random_encoder(directory, WeightFormat(WeightType.bf16)).save_pretrained(directory)
    return directory


def make_pairs(shape: Shape) -> tuple[PairTokens, Ints]:
    """Return pairs with lengths like those of the arena (log-normal) and their outcomes; who says more tends to win."""
    generator = np.random.default_rng(0)
    scale = min(1.0, shape.max_length / 512)
    longest_prompt = PROMPT_SHARE[shape.pairing] * shape.max_length
    prompt = (scale * np.exp(generator.normal(3.4, 1.2, size=shape.pairs))).clip(4, longest_prompt)
    responses = scale * np.exp(generator.normal(5.3, 0.9, size=(2, shape.pairs)))
    margin = np.log(responses[0] / responses[1]) + generator.normal(0, 0.5, shape.pairs)
    label = np.where(abs(margin) < 0.5, 2, np.where(margin > 0, 0, 1))
    read = np.stack([responses.sum(axis=0)] * 2) if shape.causal else responses
    sides = []
    for side in read:
        firsts = prompt.astype(np.int64)
        lengths = np.clip(firsts + side, 16, shape.max_length).astype(np.int64)
        tokens = generator.integers(5, shape.sizes.get("vocab_size", 30000), size=int(lengths.sum())).astype(np.int32)
        sides.append(Sequences(tokens, np.concatenate([[0], np.cumsum(lengths)]), firsts))
    return PairTokens(sides[0], sides[1], TruncationAudit({}, {})), label.astype(np.int64)


def sequence_lengths(tokens: PairTokens) -> Ints:
    """Return the (2n,) lengths of the sequences of n pairs."""
    return np.concatenate([tokens.a.lengths, tokens.b.lengths])


def operations(model: PairModel, lengths: Ints, causal: bool, training: bool) -> float:
    """Return the floating point operations that a model needs for sequences of these lengths.

    Chowdhery et al. 2022, "PaLM", appendix B: 2 a weight and token forward, 2 for the gradients of the activations and
    2 for those of the weights, which adapters save; attention has no weights. Padding and recomputing are not counted.
    """
    config = model.encoder.config
    held = [weight for name, weight in model.encoder.named_parameters() if "embed" not in name]
    weights: int = sum(weight.numel() * (2 if weight.dtype is torch.uint8 else 1) for weight in held)  # nf4: two a byte
    forward = 2.0 * weights * float(lengths.sum())
    scores = 4.0 * int(config.num_hidden_layers * config.hidden_size) * float((lengths.astype(float) ** 2).sum())
    scores /= 2 if causal else 1
    if not training:
        return forward + scores
    return (2 if causal else 3) * forward + 3 * scores
