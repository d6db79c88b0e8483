"""Training speed beside Hugging Face's Trainer: python experiments/benchmarks/training_throughput.py

All train the same pair model from the same weights on the same pairs, in the same optimizer steps (rows, order,
AdamW groups, learning rates, cosine schedule, clipping). The Trainer gets dynamic padding and the attention that it
takes by default, in its default precision and in bf16. Every repeat runs all of them in turn, so that whatever else
the machine does falls on all; the ratios are medians over repeats.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn
from torch.nn.functional import cross_entropy

from prefens.core import resources
from prefens.core.teaching import Targets
from prefens.core.types import Ints
from prefens.data.text.tokens import PairTokens, Sequences, tokenize_pairs
from prefens.data.text.truncation import TruncationAudit
from prefens.members.backbone_files import find_minilm
from prefens.members.nn.heads import HeadSettings
from prefens.members.nn.pair_model import PairModel, pair_batch
from prefens.members.training import loop
from prefens.members.training.batching import plan_steps
from prefens.members.training.dataset import Examples
from prefens.members.training.optimizer import make_optimizer
from prefens.members.training.precision import Precision, compute_dtype, dtype_name
from prefens.members.training.settings import TrainingSettings

BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
SMALL = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 1536}
DEBERTA = {
    "vocab_size": 128100, "hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "type_vocab_size": 0,
    "intermediate_size": 1536, "relative_attention": True, "position_buckets": 256, "norm_rel_ebd": "layer_norm",
    "share_att_key": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False, "max_relative_positions": -1,
}  # fmt: skip
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "minilm-l6": ("Bert", SMALL | {"num_hidden_layers": 6}),
    "bert-base": ("Bert", BASE),
    "roberta-base": ("Roberta", BASE | {"vocab_size": 50265, "type_vocab_size": 1, "max_position_embeddings": 514}),
    "e5-small": ("Bert", SMALL | {"vocab_size": 250037}),
    "deberta-v3-xsmall": ("DebertaV2", DEBERTA),
}


@dataclass(frozen=True, eq=False)
class Task:
    """The first `train` pairs of `tokens` are trained on, the others held out; `padding` is the encoder's id for it."""

    tokens: PairTokens
    label: Ints
    train: int
    settings: TrainingSettings
    padding: int

    @property
    def plan(self) -> list[Ints]:
        return plan_steps(self.train, self.settings.batch_pairs, self.settings.epochs, seed=1)

    @property
    def rows(self) -> Ints:
        return np.arange(self.train)


@dataclass(frozen=True)
class Result:
    """Seconds of wall clock and of processor time for the training; padding in [0, 1); losses in nats; GiB at peak."""

    seconds: float
    processor: float
    padding: float
    trained: float
    held_out: float
    memory: float


class Rival(nn.Module):
    """The pair model as one writes it for the Trainer: a padded batch in, the loss and the logits out."""

    def __init__(self, model: PairModel) -> None:
        super().__init__()
        self.encoder, self.head, self.token_types = model.encoder, model.head, model.token_types

    def forward(self, labels: torch.Tensor, **batch: torch.Tensor) -> dict[str, torch.Tensor]:
        read = {name: batch[name] for name in ("input_ids", "attention_mask", *["token_type_ids"] * self.token_types)}
        states = self.encoder(**read).last_hidden_state
        logits: torch.Tensor = self.head(*self.head.pool(states, batch["attention_mask"]).chunk(2))
        return {"loss": cross_entropy(logits.float(), labels), "logits": logits}


class InOrder(transformers.Trainer):
    """A Trainer that takes the rows in a given order instead of its own random one."""

    order: Sequence[int] = ()

    def _get_train_sampler(self, *_: Any) -> Any:
        return self.order


def train_rival(model: PairModel, task: Task, bf16: bool) -> list[float]:
    settings, plan = task.settings, task.plan
    optimizer = make_optimizer(model, settings)
    warmup = round(settings.warmup * len(plan))
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, warmup, len(plan))
    losses: list[float] = []

    def collate(rows: list[int]) -> dict[str, torch.Tensor]:
        batch = pair_batch(task.tokens, rows, task.padding)
        return {**batch, "labels": torch.from_numpy(task.label[rows].astype("int64"))}

    class Noted(transformers.TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            losses.extend([logs["loss"]] if "loss" in logs else [])

    with tempfile.TemporaryDirectory() as place:
        arguments = transformers.TrainingArguments(
            place, per_device_train_batch_size=settings.batch_pairs, max_steps=len(plan), bf16=bf16,
            max_grad_norm=settings.clip or 1.0, save_strategy="no", report_to="none", disable_tqdm=True,
            logging_steps=1,
            remove_unused_columns=False, use_cpu=not torch.cuda.is_available(), log_level="error",
        )  # fmt: skip
        trainer = InOrder(
            Rival(model), arguments, data_collator=collate, train_dataset=range(task.train),
            optimizers=(optimizer, schedule), callbacks=[Noted()],
        )  # fmt: skip
        trainer.order = np.concatenate(plan).tolist()
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return losses


def train_ours(model: PairModel, task: Task) -> list[float]:
    model.compute_dtype = compute_dtype(task.settings.precision, loop.device())
    targets = Targets.of_votes(task.label[: task.train].astype(np.int8), model.head.n_outcomes)
    examples = Examples(task.tokens, task.rows, targets, task.padding, model.needs_both)
    return loop.train(model, examples, task.settings, 1).train_losses


def measured(model: PairModel, task: Task, way: Callable[[PairModel, Task], list[float]]) -> Result:
    """Train a copy of a model, counting what its encoder was given."""
    torch.manual_seed(0)
    model = copy.deepcopy(model).to(loop.device())
    given: list[int] = []
    hook = model.encoder.register_forward_pre_hook(
        lambda _, args, read: given.append(read["input_ids"].numel()), with_kwargs=True
    )
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    wall, processor = time.perf_counter(), time.process_time()
    curve = way(model, task)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    memory = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else float("nan")
    hook.remove()
    padding = 1 - real_tokens(task) / sum(given)
    return Result(wall, processor, padding, float(np.mean(curve[-4:])), held_out(model, task), memory)


def held_out(model: PairModel, task: Task) -> float:
    """Log loss on the held-out pairs, in fp32 whatever the training was in."""
    model.compute_dtype = torch.float32
    rows = np.arange(task.train, len(task.label))
    probabilities = loop.predict(model, task.tokens, rows, task.settings.token_budget, task.padding)
    return -float(np.log(probabilities[np.arange(len(rows)), task.label[rows]]).mean())


def real_tokens(task: Task) -> int:
    lengths = task.tokens.a.lengths + task.tokens.b.lengths
    return int(lengths[: task.train].sum()) * task.settings.epochs


def operations(model: PairModel, task: Task) -> float:
    """Floating point operations that the model itself needs: 6 a weight and token, and those of attention.

    Chowdhery et al. 2022, "PaLM", appendix B: what padding and recomputing cost is not counted.
    """
    config = model.encoder.config
    weights: int = sum(weight.numel() for name, weight in model.encoder.named_parameters() if "embedding" not in name)
    squares = sum(float((side.lengths[: task.train] ** 2).sum()) for side in (task.tokens.a, task.tokens.b))
    attention = 12.0 * int(config.num_hidden_layers * config.hidden_size) * squares * task.settings.epochs
    return 6.0 * weights * real_tokens(task) + attention


def generated(pairs: int, max_length: int, vocabulary: int) -> tuple[PairTokens, Ints]:
    """Return pairs with lengths like those of the arena (log-normal); the longer response tends to win."""
    generator = np.random.default_rng(0)
    prompt = np.exp(generator.normal(3.4, 1.2, size=pairs))
    responses = np.exp(generator.normal(5.3, 0.9, size=(2, pairs)))
    margin = np.log(responses[0] / responses[1]) + generator.normal(0, 0.5, pairs)
    label = np.where(abs(margin) < 0.5, 2, np.where(margin > 0, 0, 1))
    sides = []
    for response in responses:
        firsts = np.clip(prompt, 4, 0.35 * max_length).astype(np.int64)
        lengths = np.clip(firsts + response, 16, max_length).astype(np.int64)
        tokens = generator.integers(5, vocabulary, size=int(lengths.sum())).astype(np.int32)
        sides.append(Sequences(tokens, np.concatenate([[0], np.cumsum(lengths)]), firsts))
    return PairTokens(sides[0], sides[1], TruncationAudit({}, {})), label


def read(path: Path, backbone: Path, pairs: int, max_length: int) -> tuple[PairTokens, Ints]:
    from prefens.data.load import load_pairs
    from prefens.data.text.settings import TextSettings
    from prefens.members.nn.pretrained import load_tokenizer

    found = load_pairs(path).pairs
    chosen = found.take(np.random.default_rng(0).permutation(len(found))[:pairs])
    settings = TextSettings(max_length=max_length)
    return tokenize_pairs(load_tokenizer(backbone), chosen, settings, "", ""), chosen.labels.astype(np.int64)


def make_model(arguments: argparse.Namespace) -> PairModel:
    torch.manual_seed(0)
    if arguments.backbone is not None:
        from prefens.members.nn.pretrained import load_encoder

        return PairModel(load_encoder(arguments.backbone), HeadSettings())
    kind, sizes = ARCHITECTURES[arguments.architecture]
    encoder = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**sizes))
    return PairModel(encoder, HeadSettings())


def make_task(arguments: argparse.Namespace, model: PairModel) -> Task:
    count = arguments.pairs + arguments.held_out
    if arguments.data is not None:
        tokens, label = read(arguments.data, arguments.backbone, count, arguments.max_length)
    else:
        tokens, label = generated(count, arguments.max_length, model.encoder.config.vocab_size)
    settings = TrainingSettings(
        epochs=1,
        batch_pairs=arguments.batch,
        token_budget=arguments.token_budget,
        precision=Precision(arguments.precision),
    )
    return Task(tokens, label, len(label) - arguments.held_out, settings, int(model.encoder.config.pad_token_id or 0))


def report(results: dict[str, list[Result]], task: Task, work: float, peak: float | None) -> Iterator[str]:
    """Yield the table; the ratios are medians of those within each repeat."""
    yield "| training | pairs/s | real tokens/s | padding | loss at the end | held out | TFLOP/s | ratio | processor |"
    yield "|---|---|---|---|---|---|---|---|---|"
    *_, ours = results.values()
    for name, runs in results.items():
        seconds = float(np.median([run.seconds for run in runs]))
        wall = np.median([run.seconds / own.seconds for run, own in zip(runs, ours, strict=True)])
        processor = np.median([run.processor / own.processor for run, own in zip(runs, ours, strict=True)])
        speed = work / seconds / 1e12
        used = f" ({speed / peak:.0%} of peak, {runs[0].memory:.1f} GiB)" if peak else ""
        yield (
            f"| {name} | {task.train / seconds:.2f} | {real_tokens(task) / seconds:.0f} | {runs[0].padding:.0%} "
            f"| {runs[0].trained:.4f} | {runs[0].held_out:.4f} | {speed:.3f}{used} | {wall:.2f} | {processor:.2f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--backbone",
        type=lambda name: find_minilm() if name == "minilm-l6" else Path(name),
        help="a model directory, or minilm-l6 of the package prefens[offline]; else random weights of --architecture",
    )
    parser.add_argument("--architecture", choices=ARCHITECTURES, default="minilm-l6")
    parser.add_argument("--data", type=Path, help="labelled pairs, with --backbone; else generated ones")
    parser.add_argument("--pairs", type=int, default=128)
    parser.add_argument("--held-out", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16, help="pairs in an optimizer step")
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--token-budget", type=int, default=16384)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--precision", choices=[each.value for each in Precision], default="auto", help="of ours")
    parser.add_argument("--profile", action="store_true", help="the operations of ours that take longest, instead")
    parser.add_argument("--peak-tflops", type=float, help="of the GPU in bf16, for its utilisation")
    arguments = parser.parse_args()
    count = resources.limit_threads(threads=arguments.threads)
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    model = make_model(arguments)
    task = make_task(arguments, model)
    if arguments.profile:
        with torch.profiler.profile() as profile:
            train_ours(model.to(loop.device()), task)
        print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=15, max_name_column_width=50))
        return
    ours = dtype_name(compute_dtype(task.settings.precision, loop.device()))
    ways: dict[str, Callable[[PairModel, Task], list[float]]] = {
        "Trainer, its default precision": lambda model, task: train_rival(model, task, bf16=False),
        "Trainer, bf16": lambda model, task: train_rival(model, task, bf16=True),
        f"prefens, {ours}": train_ours,
    }
    results: dict[str, list[Result]] = {name: [] for name in ways}
    for _ in range(arguments.repeat):
        for name, way in ways.items():
            results[name].append(measured(model, task, way))
    mean = real_tokens(task) / task.train / 2
    print(f"{count} threads, {task.train} pairs, {mean:.0f} tokens a sequence, cut at {arguments.max_length}")
    print(*report(results, task, operations(model, task), arguments.peak_tflops), sep="\n")


if __name__ == "__main__":
    main()
