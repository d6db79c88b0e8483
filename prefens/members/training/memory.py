"""What loading and training a pretrained backbone will take of memory, estimated from its config before it starts.

Weights, gradients and the optimizer's state are counted. Activations are estimated: for the gradients, a layer keeps of
a token about 11 numbers for each hidden unit and 4 for each unit of its feed-forward part, as measured on tiny models
(decoders: within a third; encoders: within a factor of two); plain attention keeps 3 beside, for each head and each
token of the longest sequence.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil
import torch

from prefens.members.nn.lora import adapted_layers
from prefens.members.nn.pretrained import meta_model
from prefens.members.nn.weight_format import WeightFormat, held_weights
from prefens.members.training.settings import Mode, OptimizerKind, TrainingSettings

log = logging.getLogger(__name__)

GB = 1e9
HIDDEN_NUMBERS, INNER_NUMBERS, HEAD_NUMBERS = 11, 4, 3  # kept of a token by a layer
ADAPTER_HIDDEN, ADAPTER_INNER = 6, 1  # kept beside by adapters on all linear layers
NF4_BYTES = (
    0.5 + 0.127 / 8
)  # of a weight, with its share of the doubly quantized scales (Dettmers et al. 2023, section 3)
PLAIN_ATTENTION = ("deberta-v2", "mpnet", "gemma2")  # families without a fused one


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a training takes.

    Attributes
    ----------
    weights : float
        Of the backbone, and of adapters where there are any.
    optimizer : float
        Gradients, the two moments of AdamW, and the moving average of the weights.
    activations : float
        Of a forward pass of `training.token_budget` tokens, kept for the gradients.
    """

    weights: float
    optimizer: float
    activations: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.optimizer + self.activations

    def __str__(self) -> str:
        parts = (self.weights, self.optimizer, self.activations)
        weights, optimizer, activations = (f"{part / GB:.3g}" for part in parts)
        return (
            f"about {self.total / GB:.3g} GB: weights {weights}, gradients and optimizer {optimizer}, "
            f"activations {activations}"
        )


def estimate_memory(directory: Path, training: TrainingSettings, form: WeightFormat, longest: int) -> MemoryEstimate:
    """Return what training the backbone in a directory takes; only its config is read.

    Parameters
    ----------
    directory : Path
        The backbone's files.
    training : TrainingSettings
        Resolved.
    form : WeightFormat
        How the weights are held, which layers are read, and the precision of matrix products.
    longest : int
        Tokens of the longest sequence.
    """
    model = meta_model(directory, form.layers)
    weights, backbone = sum(weight.numel() for weight in model.parameters()), _weight_bytes(model, form)
    adapters = _adapter_weights(model, training)
    trained = {Mode.full: weights, Mode.frozen: 0, Mode.lora: adapters}[training.mode]
    moments = 2 if training.optimizer is OptimizerKind.adamw_8bit else 8
    copies = 4.0 + moments + 4.0 * (training.ema > 0)  # bytes of a trained weight: its gradient, moments, an average
    whole = backbone if training.mode is Mode.lora and training.ema > 0 else 0.0  # the average copies the backbone too
    activations = _activations(model.config, training, 3 if form.compute_dtype is torch.bfloat16 else 4, longest)
    return MemoryEstimate(backbone + 4.0 * adapters, copies * trained + whole, activations)


def _weight_bytes(model: Any, form: WeightFormat) -> float:
    """Return the bytes of a backbone's weights, as it holds them."""
    held = held_weights(model)
    embeddings = model.get_input_embeddings().weight
    own = form.dtype.torch_dtype.itemsize
    matrix = own if form.quant is None else NF4_BYTES
    sizes = {name: own if weight is embeddings else matrix for name, weight in held.items()}
    return float(sum(sizes.get(name, 4) * weight.numel() for name, weight in model.named_parameters()))


def log_memory(
    directory: Path, training: TrainingSettings, form: WeightFormat, longest: int, device: torch.device
) -> None:
    """Log what a training takes, and where the device has less, what to change; once a process for equal trainings.

    Parameters
    ----------
    directory, training, form, longest
        As in `estimate_memory`.
    device : torch.device
        Where it is trained.
    """
    estimate = estimate_memory(directory, training, form, longest)
    gpu = device.type == "cuda"
    free = torch.cuda.mem_get_info(device)[0] if gpu else psutil.virtual_memory().available
    _log_once(f"{directory.name}: loading and training take {estimate}")
    if estimate.total > free:
        advice = " or ".join(_advice(training, form, estimate, free))
        place = "GPU" if gpu else "machine"
        log.warning("that is more than the %.3g GB that the %s has left: set %s", free / GB, place, advice)


@lru_cache(maxsize=100)
def _log_once(message: str) -> None:
    log.info(message)


def _advice(training: TrainingSettings, form: WeightFormat, estimate: MemoryEstimate, free: float) -> list[str]:
    """Return the settings that make a training smaller, the one that changes least first."""
    room = free - estimate.weights - estimate.optimizer
    budget = int(training.token_budget * room / max(estimate.activations, 1.0)) // 256 * 256
    checkpointing = training.mode is not Mode.frozen and not training.gradient_checkpointing
    halved = training.mode is not Mode.full and form.exact
    quantized = training.mode is not Mode.full and form.quant is None and torch.cuda.is_available()
    smaller = {Mode.full: ["training=lora"], Mode.lora: ["training=frozen"], Mode.frozen: []}[training.mode]
    return [
        *([f"training.token_budget={budget}"] if budget > 0 else []),
        *(["training.gradient_checkpointing=true"] if checkpointing else []),
        *(["backbone.dtype=bf16"] if halved else []),
        *(["backbone.quant=nf4"] if quantized else []),
        *smaller,
        "a smaller backbone",
    ]


def _adapter_weights(model: Any, training: TrainingSettings) -> int:
    if training.mode is not Mode.lora:
        return 0
    layers: list[torch.nn.Linear] = [model.get_submodule(name) for name in adapted_layers(model, training.lora.targets)]
    return training.lora.rank * sum(layer.in_features + layer.out_features for layer in layers)


def _activations(config: Any, training: TrainingSettings, size: int, longest: int) -> float:
    """Return the bytes that a forward pass keeps for the gradients, or that its largest layer takes without any."""
    hidden, layers = config.hidden_size, config.num_hidden_layers  # of those that are read
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    numbers = HIDDEN_NUMBERS * hidden + INNER_NUMBERS * inner
    if training.mode is Mode.lora:
        numbers += ADAPTER_HIDDEN * hidden + ADAPTER_INNER * inner
    if config.model_type in PLAIN_ATTENTION:
        numbers += HEAD_NUMBERS * config.num_attention_heads * longest
    tokens = max(training.token_budget, 2 * longest)
    if training.mode is Mode.frozen:
        return float(tokens * numbers * size)
    if training.gradient_checkpointing:  # each layer's input, and one layer at a time
        return float(tokens * (layers * hidden * 4 + numbers * size))
    return float(tokens * layers * numbers * size)
