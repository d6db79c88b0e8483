"""The steps of gpu.py: each measures one way to train, to predict or to attend, and returns its figures."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import transformers
from gpu_tasks import PADDING, Shape, make_model, make_pairs, operations, sequence_lengths
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim.optimizer import register_optimizer_step_post_hook

from prefens.core.teaching import Targets
from prefens.core.types import SWAP
from prefens.data.text.tokens import PairTokens
from prefens.members.nn import deberta_kernels
from prefens.members.nn.lora import LoraSettings, add_adapters
from prefens.members.nn.pair_model import PairModel, pair_batch
from prefens.members.nn.weight_format import FP32, WeightFormat
from prefens.members.training import loop
from prefens.members.training.dataset import Examples
from prefens.members.training.optimizer import make_optimizer
from prefens.members.training.settings import Mode, Swap, TrainingSettings

Figures = dict[str, Any]


class NotRun(Exception):
    """What a step needs is not there."""


@dataclass
class Repeats:
    """How often a step is repeated.

    Attributes
    ----------
    most : int
        Repeats after the one that warms up.
    until : float
        No repeat is begun that would end after this time, of `time.monotonic`.
    """

    most: int
    until: float

    def __call__(self, measure: Callable[[], float]) -> list[float]:
        """Return the seconds that `measure` returns, after a first call that does not count."""
        measure()
        seconds: list[float] = []
        while len(seconds) < self.most:
            start = time.monotonic()
            seconds.append(measure())
            if 2 * time.monotonic() - start > self.until:
                break
        return seconds


class Clock:
    """Measures a training from its first forward pass to the end of its last optimizer step, by the device's clock.

    What happens between the steps counts; making the loop and its optimizer does not.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.first: Any = None
        self.last: Any = None

    def __enter__(self) -> Clock:
        self.handles = [
            self.model.register_forward_pre_hook(self._start),
            register_optimizer_step_post_hook(self._stop),
        ]
        return self

    def __exit__(self, *_: Any) -> None:
        for handle in self.handles:
            handle.remove()

    def _start(self, *_: Any) -> None:
        self.first = now() if self.first is None else self.first

    def _stop(self, *_: Any) -> None:
        self.last = now()

    @property
    def seconds(self) -> float:
        if isinstance(self.last, float):
            return self.last - float(self.first)
        torch.cuda.synchronize()
        return float(self.first.elapsed_time(self.last)) / 1e3


def now() -> Any:
    """Return a time of the GPU's, which it notes when it comes to it, or seconds where there is none."""
    if not torch.cuda.is_available():
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record()
    return event


def wall_clock(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes, the GPU's included."""
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def speed(shape: Shape, model: PairModel, tokens: PairTokens, seconds: list[float], training: bool) -> Figures:
    """Return the figures of a way to read all pairs once: the median and, in brackets, the range over the repeats."""
    lengths = sequence_lengths(tokens)
    work = operations(model, lengths, shape.causal, training)
    return {
        "pairs_per_second": [shape.pairs / each for each in seconds],
        "tokens_per_second": float(lengths.sum()) / statistics.median(seconds),
        "tflops": work / statistics.median(seconds) / 1e12,
        "gib": torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None,
    }


def encoder_settings(shape: Shape, **changed: Any) -> TrainingSettings:
    return replace(TrainingSettings(epochs=1, batch_pairs=shape.batch_pairs).resolved(causal=False), **changed)


def decoder_settings(shape: Shape) -> TrainingSettings:
    settings = TrainingSettings(
        mode=Mode.lora, lr=1e-4, epochs=1, batch_pairs=shape.batch_pairs, swap=Swap.both,
        lora=LoraSettings(rank=16, alpha=32), gradient_checkpointing=shape.large,
    )  # fmt: skip
    return settings.resolved(causal=True)


def examples_of(shape: Shape, model: PairModel) -> tuple[PairTokens, Examples]:
    tokens, label = make_pairs(shape)
    targets = Targets.of_votes(label.astype(np.int8), model.head.n_outcomes)
    return tokens, Examples(tokens, np.arange(shape.pairs), targets, PADDING, model.needs_both)


def train_ours(
    shape: Shape, settings: TrainingSettings, repeats: Repeats, form: WeightFormat = FP32, fused: bool = False
) -> Figures:
    """Our loop; `fused` takes torch's fused AdamW."""
    model = make_model(shape, form)
    model.compiled = settings.compile
    if settings.mode is Mode.lora:
        add_adapters(model.encoder, settings.lora)
    deberta_kernels.install(model.encoder, loop.device())
    tokens, examples = examples_of(shape, model)

    def once() -> float:
        with Clock(model) as clock:
            loop.train(model, examples, settings, seed=1)
        return clock.seconds

    make = fused_optimizer if fused else make_optimizer
    with patch.object(loop, "make_optimizer", make):
        seconds = repeats(once)
    return speed(shape, model, tokens, seconds, training=True)


def fused_optimizer(model: PairModel, settings: TrainingSettings) -> torch.optim.Optimizer:
    optimizer = make_optimizer(model, settings)
    for group in optimizer.param_groups:
        group["fused"] = True
    return optimizer


class Rival(nn.Module):
    """A pair model as one writes it for the Trainer: a padded batch in, the loss and the logits out."""

    def __init__(self, model: PairModel) -> None:
        super().__init__()
        self.encoder, self.head, self.token_types = model.encoder, model.head, model.token_types
        self.tokens_read = 0  # padding included

    def forward(self, labels: torch.Tensor, **batch: torch.Tensor) -> dict[str, torch.Tensor]:
        self.tokens_read += batch["input_ids"].numel()
        names = ("input_ids", "attention_mask", *["token_type_ids"] * self.token_types)
        states = self.encoder(**{name: batch[name] for name in names}).last_hidden_state
        vectors = self.head.pool(states, batch["attention_mask"]).chunk(self.head.n_vectors)
        logits: torch.Tensor = self.head(*vectors)
        return {"loss": cross_entropy(logits.float(), labels), "logits": logits}

    def gradient_checkpointing_enable(self, **named: Any) -> None:
        self.encoder.gradient_checkpointing_enable(**named)


@dataclass
class Rows:
    """What the Trainer reads: a row of lengths for `group_by_length`, then the batch that is made of some.

    A decoder's rows are the two orders of each pair, an encoder's the pairs.
    """

    shape: Shape
    tokens: PairTokens
    label: Any
    longest_first: bool = False

    def __post_init__(self) -> None:
        a, b = self.tokens.a.lengths, self.tokens.b.lengths
        self.lengths = np.concatenate([a, b]) if self.shape.causal else np.maximum(a, b)
        self.order = np.argsort(-self.lengths, kind="stable") if self.longest_first else np.arange(len(self.lengths))

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> dict[str, Any]:
        place = int(self.order[index])
        return {"input_ids": range(int(self.lengths[place])), "place": place}

    def collate(self, items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        places = np.array([item["place"] for item in items])
        rows, swapped = places % self.shape.pairs, places >= self.shape.pairs
        batch = pair_batch(self.tokens, rows, PADDING, swapped, both=not self.shape.causal)
        label = np.where(swapped, SWAP[self.label[rows]], self.label[rows])
        return {**batch, "labels": torch.from_numpy(label.astype("int64"))}


def make_trainer(shape: Shape, model: PairModel, rows: Rows, settings: TrainingSettings, place: str) -> Any:
    """Return the Trainer at its best: bf16, rows of like length together, fused AdamW, loading beside the GPU."""
    cuda = torch.cuda.is_available()
    step = settings.batch_pairs * (2 if shape.causal else 1)
    at_once = min(step, 16) if shape.causal else step  # longer sequences, of larger models
    arguments = transformers.TrainingArguments(
        place, per_device_train_batch_size=at_once, gradient_accumulation_steps=step // at_once,
        per_device_eval_batch_size=4 * at_once, num_train_epochs=1, learning_rate=settings.lr,
        bf16=model.compute_dtype is torch.bfloat16, optim="adamw_torch_fused", lr_scheduler_type="cosine",
        train_sampling_strategy="group_by_length", max_grad_norm=settings.clip or 1.0,
        gradient_checkpointing=settings.gradient_checkpointing, gradient_checkpointing_kwargs={"use_reentrant": False},
        dataloader_pin_memory=cuda, dataloader_num_workers=4 if cuda else 0, remove_unused_columns=False,
        logging_strategy="no", logging_nan_inf_filter=False, log_level="error", disable_tqdm=True,
        save_strategy="no", report_to="none", use_cpu=not cuda,
    )  # fmt: skip
    trainer = transformers.Trainer(Rival(model), arguments, data_collator=rows.collate, train_dataset=rows)
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def train_trainer(shape: Shape, settings: TrainingSettings, repeats: Repeats, form: WeightFormat = FP32) -> Figures:
    model = make_model(shape, form)
    if settings.mode is Mode.lora:
        add_adapters(model.encoder, settings.lora)
    tokens, label = make_pairs(shape)
    rows = Rows(shape, tokens, label)
    read: list[int] = []

    def once() -> float:
        with tempfile.TemporaryDirectory() as place:
            trainer = make_trainer(shape, model, rows, settings, place)
            with Clock(trainer.model) as clock:
                trainer.train()
        read.append(trainer.model.tokens_read)
        return clock.seconds

    figures = speed(shape, model, tokens, repeats(once), training=True)
    return {**figures, "padding": 1 - float(sequence_lengths(tokens).sum()) / read[-1]}


def predict_ours(shape: Shape, settings: TrainingSettings, repeats: Repeats, form: WeightFormat = FP32) -> Figures:
    model = make_model(shape, form)
    if settings.mode is Mode.lora:
        add_adapters(model.encoder, settings.lora)
    deberta_kernels.install(model.encoder, loop.device())
    tokens, examples = examples_of(shape, model)

    def once() -> float:
        return wall_clock(lambda: loop.predict(model, tokens, examples.rows, settings.token_budget, PADDING))

    return speed(shape, model, tokens, repeats(once), training=False)


def predict_trainer(shape: Shape, settings: TrainingSettings, repeats: Repeats) -> Figures:
    model = make_model(shape)
    tokens, label = make_pairs(shape)
    rows = Rows(shape, tokens, label, longest_first=True)
    with tempfile.TemporaryDirectory() as place:
        trainer = make_trainer(shape, model, rows, settings, place)
        seconds = repeats(lambda: wall_clock(lambda: trainer.predict(rows)))
    return speed(shape, model, tokens, seconds, training=False)
