"""The training loop of pair models, and prediction with them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import get_cosine_schedule_with_warmup

from prefens import stopping
from prefens.errors import TrainingError
from prefens.modeling.pair_model import PairModel, pair_batch
from prefens.progress import progress
from prefens.records import Floats, Outcome
from prefens.text.tokens import PairTokens
from prefens.training.batching import micro_batches, steps
from prefens.training.checkpoint import Checkpoint, Progress
from prefens.training.settings import TrainingSettings


def device() -> torch.device:
    """Return the accelerator where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(
    model: PairModel,
    tokens: PairTokens,
    rows: NDArray[np.int64],
    label: NDArray[np.int8],
    settings: TrainingSettings,
    seed: int,
    padding: int,
    checkpoint: Checkpoint | None = None,
) -> Progress:
    """Train in place on a fixed schedule; the curve is the unsmoothed training loss of each step, in nats.

    `rows` ((n,)) are places in `tokens`; `label` ((n,)) belongs to them. The caller has seeded torch. With a
    checkpoint, training goes on from it, and keeps itself in it now and then and before it is stopped (`Stopped`).
    TrainingError, naming the step, where the loss is not finite.
    """
    plan = steps(len(rows), settings.batch_pairs, settings.epochs, seed)
    optimiser = torch.optim.AdamW(_parameter_groups(model, settings))
    schedule = get_cosine_schedule_with_warmup(optimiser, round(settings.warmup * len(plan)), len(plan))
    target = torch.from_numpy(label.astype("int64"))
    lengths = (tokens.a.lengths + tokens.b.lengths)[rows]
    model.to(device()).train()
    run = Progress(model, optimiser, schedule)
    if checkpoint is not None:
        checkpoint.restore(run)
    with stopping.deferred():
        for step in progress(plan[len(run.curve) :], "training steps"):
            total = 0.0
            for part in micro_batches(step, lengths, settings.token_budget):
                logits = _logits(model, tokens, rows[part], padding)
                total += _learn(logits, target[part].to(logits.device), settings.label_smoothing, len(step))
            if not np.isfinite(total):
                number = f"step {len(run.curve) + 1} of {len(plan)}"
                raise TrainingError(f"a training loss of {total} at {number}", "a finite loss", "lower training.lr")
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad(set_to_none=True)
            run.curve.append(total)
            _keep(run, checkpoint)
    return run


def _learn(logits: torch.Tensor, wanted: torch.Tensor, smoothing: float, size: int) -> float:
    """Add a micro-batch's share of the gradient of a step of `size` pairs; return that of the unsmoothed loss."""
    loss = cross_entropy(logits, wanted, reduction="sum", label_smoothing=smoothing) / size
    loss.backward()  # type: ignore[no-untyped-call]
    return float(cross_entropy(logits.detach(), wanted, reduction="sum")) / size


def _keep(run: Progress, checkpoint: Checkpoint | None) -> None:
    """Write the checkpoint where it is due, and before the training is stopped."""
    request = stopping.asked()
    if checkpoint is not None and (request is not None or checkpoint.due):
        checkpoint.save(run)
    if request is not None:
        raise request


@torch.inference_mode()
def predict(model: PairModel, tokens: PairTokens, rows: NDArray[np.int64], token_budget: int, padding: int) -> Floats:
    """Return (n, 3) float64 probabilities for the pairs at `rows` of `tokens`."""
    model.to(device()).eval()
    lengths = (tokens.a.lengths + tokens.b.lengths)[rows]
    probabilities = np.empty((len(rows), len(Outcome)))
    for part in progress(list(micro_batches(np.arange(len(rows)), lengths, token_budget)), "predicting"):
        logits = _logits(model, tokens, rows[part], padding)
        probabilities[part] = torch.softmax(logits.double(), dim=1).cpu().numpy()
    return probabilities


def _logits(model: PairModel, tokens: PairTokens, rows: NDArray[np.int64], padding: int) -> torch.Tensor:
    batch = pair_batch(tokens.a, tokens.b, rows.tolist(), padding)
    place = device()
    moved = {name: tensor.to(place, non_blocking=True) for name, tensor in batch.items()}
    logits: torch.Tensor = model(moved)
    return logits


def _parameter_groups(model: PairModel, settings: TrainingSettings) -> list[dict[str, object]]:
    """Encoder and head at their learning rates; weight decay on matrices only, never on biases and norms."""
    groups = []
    for part, lr in ((model.encoder, settings.lr), (model.head, settings.head_lr)):
        for decay, matrices in ((settings.weight_decay, True), (0.0, False)):
            chosen = [weight for weight in part.parameters() if weight.requires_grad and (weight.ndim > 1) is matrices]
            groups.append({"params": chosen, "lr": lr, "weight_decay": decay})
    return groups
