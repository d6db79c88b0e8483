"""The steps of gpu.py on parts of a model: kernels of attention, and heads on the features of a frozen encoder."""

from __future__ import annotations

import statistics
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from gpu_steps import Clock, Figures, NotRun, Repeats, encoder_settings, examples_of, speed, wall_clock
from gpu_tasks import PADDING, Shape, make_model, make_pairs

from prefens.members.nn import deberta_kernels, packed_attention
from prefens.members.nn.encoder_forward import forward_states
from prefens.members.nn.heads import HeadSettings, make_head
from prefens.members.nn.pair_model import Batch, PairModel, pair_batch
from prefens.members.nn.pooling import Pooling
from prefens.members.training import loop
from prefens.members.training.precompute import precompute
from prefens.members.training.settings import Mode

Patches = dict[str, Any]
KERNEL_TOKENS = 16384  # that a kernel reads at once
HEAD_EPOCHS = 5


@dataclass(frozen=True)
class Kernel:
    """A way to compute an encoder's states.

    Attributes
    ----------
    name : str
        In the tables.
    dropout : float
        Of attention weights; kernels are chosen by it.
    patched : dict
        Functions of `packed_attention` that are replaced, so that another kernel is chosen than usually.
    whole : bool
        Whether the encoder reads one padded batch, as transformers does, and not by our code.
    """

    name: str
    dropout: float
    patched: Patches = field(default_factory=dict)
    whole: bool = False


def grouped(packed: Any, segments: Any, dropout: float, scaling: float | None) -> torch.Tensor:
    """In place of the nested tensors: the reference, by sequences of equal length."""
    return packed_attention.grouped_attention(packed, segments, dropout, packed_attention.Scores(scaling))


NOT_PACKED: Patches = {"enable": lambda encoder: False}
GROUPED: Patches = {"nested_attention": grouped, "varlen_kernel": lambda: None}
PADDED = "padded groups of like length"  # what the others are compared with
BERT_KERNELS = [
    Kernel(PADDED, 0.1, NOT_PACKED),
    Kernel("one padded batch", 0.1, whole=True),
    Kernel("packed, nested tensors", 0.1),
    Kernel("packed, equal lengths together", 0.1, GROUPED),
    Kernel(PADDED, 0.0, NOT_PACKED),
    Kernel("packed, varlen kernel", 0.0),
    Kernel("packed, equal lengths together", 0.0, GROUPED),
]
DEBERTA_KERNELS = [
    Kernel(PADDED, 0.1),
    Kernel("one padded batch", 0.1, whole=True),
    Kernel("packed, disentangled-flash", 0.1),
]
DECODER_KERNELS = [  # which have no dropout of attention weights
    Kernel(PADDED, 0.0, NOT_PACKED),
    Kernel("one padded batch", 0.0, whole=True),
    Kernel("packed, varlen kernel", 0.0),
    Kernel("packed, equal lengths together", 0.0, GROUPED),
]


def kernels_of(shape: Shape) -> list[Kernel]:
    if shape.causal:
        return DECODER_KERNELS
    return DEBERTA_KERNELS if shape.kind == "DebertaV2" else BERT_KERNELS


def check_available(kernel: Kernel) -> None:
    """Raise NotRun where our code would take another kernel on this machine."""
    if not torch.cuda.is_available() and ("nested" in kernel.name or "varlen" in kernel.name):
        raise NotRun("it needs a GPU")
    if "varlen" in kernel.name and packed_attention.varlen_kernel() is None:
        raise NotRun(f"torch {torch.__version__} has no varlen_attn with a scale and a window")


def kernel_step(shape: Shape, kernel: Kernel, repeats: Repeats) -> Figures:
    """Time an encoder's forward and backward pass over a micro-batch, and compare its states with padded ones in fp32.

    They are compared with next to no dropout of attention weights where the kernel is chosen for having some.
    """
    check_available(kernel)
    calm: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 1e-9 if kernel.dropout else 0.0}
    batch, tokens = kernel_batch(shape)
    with patch.multiple(packed_attention, **kernel.patched) if kernel.patched else nullcontext():
        model = kernel_model(shape, kernel, attention_probs_dropout_prob=kernel.dropout)
        seconds = repeats(
            lambda: wall_clock(lambda: torch.autograd.backward(read(model, kernel, batch).square().mean()))
        )
        gib = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None
        with torch.no_grad():
            states = read(kernel_model(shape, kernel, **calm), kernel, batch)
    exact = make_model(shape, **calm)
    exact.compute_dtype = torch.float32
    with torch.no_grad():
        difference = states - read(exact, replace(kernel, whole=True), batch)
    return {
        "milliseconds": [1e3 * each for each in seconds],
        "tokens_per_second": tokens / statistics.median(seconds),
        "dropout": kernel.dropout,
        "largest_difference": float(difference[batch["attention_mask"].bool()].abs().max()),
        "gib": gib,
    }


def kernel_model(shape: Shape, kernel: Kernel, **changed: Any) -> PairModel:
    """Return a model in training mode that has the kernel."""
    model = make_model(shape, **changed).train()
    if "flash" in kernel.name and not deberta_kernels.install(model.encoder, loop.device()):
        raise NotRun("it needs a GPU and the package disentangled-flash: pip install 'prefens[gpu]'")
    return model


def kernel_batch(shape: Shape) -> tuple[Batch, int]:
    """Return the sequences of as many pairs as a micro-batch has, and their tokens."""
    tokens, _ = make_pairs(shape)
    ends = np.cumsum(tokens.a.lengths + tokens.b.lengths)
    count = max(1, int(np.searchsorted(ends, KERNEL_TOKENS)))
    return loop.to_device(pair_batch(tokens, np.arange(count), PADDING)), int(ends[count - 1])


def read(model: PairModel, kernel: Kernel, batch: Batch) -> torch.Tensor:
    """Return the float32 states of a batch: by our code, or by the encoder as it is."""
    if not kernel.whole:
        return forward_states(model.encoder, batch, model.token_types, model.compute_dtype)
    names = ("input_ids", "attention_mask", *["token_type_ids"] * model.token_types)
    half = model.compute_dtype is torch.bfloat16
    with torch.autocast(batch["input_ids"].device.type, torch.bfloat16, enabled=half):
        states: torch.Tensor = model.encoder(**{name: batch[name] for name in names}).last_hidden_state
    return states.float()


def frozen_model(shape: Shape, pooling: Pooling) -> PairModel:
    model = make_model(shape)
    model.encoder.requires_grad_(False)
    model.settings = HeadSettings(pooling=pooling)
    model.head = make_head(model.settings, model.encoder.config.hidden_size, 0, shape.pairing).to(loop.device())
    return model


def features_step(shape: Shape, repeats: Repeats) -> Figures:
    """Read all pairs with a frozen encoder, one vector a sequence."""
    model, (tokens, _) = frozen_model(shape, Pooling.mean), make_pairs(shape)
    budget = encoder_settings(shape).token_budget
    seconds = repeats(lambda: wall_clock(lambda: precompute(model, tokens, PADDING, budget, "", None)))
    return speed(shape, model, tokens, seconds, training=False)


def head_step(shape: Shape, pooling: Pooling, repeats: Repeats) -> Figures:
    """Train a head on features: on a vector a sequence, or on all token states where it learns its pooling."""
    model = frozen_model(shape, pooling)
    tokens, examples = examples_of(shape, model)
    settings = encoder_settings(shape, mode=Mode.frozen, epochs=HEAD_EPOCHS)
    features = precompute(model, tokens, PADDING, settings.token_budget, "", None)
    examples = replace(examples, inputs=features)

    def once() -> float:
        with Clock(model) as clock:
            loop.train(model, examples, settings, seed=1)
        return clock.seconds

    seconds = repeats(once)
    return {"pairs_per_second": [HEAD_EPOCHS * shape.pairs / each for each in seconds]}
