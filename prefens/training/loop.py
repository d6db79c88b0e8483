"""The training loop of pair models, and prediction with them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import get_cosine_schedule_with_warmup

from prefens.errors import TrainingError
from prefens.modeling.pair_model import PairModel, pair_batch
from prefens.progress import progress
from prefens.records import Floats, Outcome
from prefens.text.tokens import PairTokens
from prefens.training.batching import micro_batches, steps
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
) -> list[float]:
    """Train in place on a fixed schedule; return the unsmoothed training loss of each step, in nats.

    `rows` ((n,)) are places in `tokens`; `label` ((n,)) belongs to them. The caller has seeded torch.
    TrainingError, naming the step, where the loss is not finite.
    """
    plan = steps(len(rows), settings.batch_pairs, settings.epochs, seed)
    optimiser = torch.optim.AdamW(_parameter_groups(model, settings))
    schedule = get_cosine_schedule_with_warmup(optimiser, round(settings.warmup * len(plan)), len(plan))
    target = torch.from_numpy(label.astype("int64"))
    lengths = np.maximum(tokens.a.lengths, tokens.b.lengths)[rows]
    model.to(device()).train()
    curve = []
    for number, step in enumerate(progress(plan, "training steps")):
        total = 0.0
        for part in micro_batches(step, lengths, settings.token_budget):
            logits = _logits(model, tokens, rows[part], padding)
            wanted = target[part].to(logits.device)
            loss = cross_entropy(logits, wanted, reduction="sum", label_smoothing=settings.label_smoothing) / len(step)
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(cross_entropy(logits.detach(), wanted, reduction="sum")) / len(step)
        if not np.isfinite(total):
            raise TrainingError(
                f"a training loss of {total} at step {number + 1} of {len(plan)}", "a finite loss", "lower training.lr"
            )
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad(set_to_none=True)
        curve.append(total)
    return curve


@torch.inference_mode()
def predict(model: PairModel, tokens: PairTokens, rows: NDArray[np.int64], token_budget: int, padding: int) -> Floats:
    """Return (n, 3) float64 probabilities for the pairs at `rows` of `tokens`."""
    model.to(device()).eval()
    lengths = np.maximum(tokens.a.lengths, tokens.b.lengths)[rows]
    probabilities = np.empty((len(rows), len(Outcome)))
    for part in progress(list(micro_batches(np.arange(len(rows)), lengths, token_budget)), "predicting"):
        logits = _logits(model, tokens, rows[part], padding)
        probabilities[part] = torch.softmax(logits.double(), dim=1).cpu().numpy()
    return probabilities


def _logits(model: PairModel, tokens: PairTokens, rows: NDArray[np.int64], padding: int) -> torch.Tensor:
    batch = pair_batch(tokens.a, tokens.b, rows.tolist(), padding)
    place = device()
    moved = {name: tensor.to(place, non_blocking=True) for name, tensor in batch.items()}
    # fp32 master weights; bf16 arithmetic where the accelerator has it.
    with torch.autocast(place.type, torch.bfloat16, enabled=place.type == "cuda"):
        logits: torch.Tensor = model(moved)
    return logits.float()


def _parameter_groups(model: PairModel, settings: TrainingSettings) -> list[dict[str, object]]:
    """Encoder and head at their learning rates; weight decay on matrices only, never on biases and norms."""
    groups = []
    for part, lr in ((model.encoder, settings.lr), (model.head, settings.head_lr)):
        for decay, matrices in ((settings.weight_decay, True), (0.0, False)):
            chosen = [weight for weight in part.parameters() if weight.requires_grad and (weight.ndim > 1) is matrices]
            groups.append({"params": chosen, "lr": lr, "weight_decay": decay})
    return groups
