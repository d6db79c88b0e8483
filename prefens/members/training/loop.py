"""The training loop of pair models, and prediction with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from prefens.core import shutdown
from prefens.core.errors import ConfigError
from prefens.core.metrics import row_losses
from prefens.core.progress import progress
from prefens.core.shutdown import Stopped
from prefens.core.types import Floats, Ints, n_outcomes
from prefens.data.text.tokens import PairTokens
from prefens.members.nn.encoder_features import EncoderFeatures
from prefens.members.nn.pair_model import Batch, PairModel, pair_batch
from prefens.members.training import distributed
from prefens.members.training.batching import micro_batches, steps, steps_per_epoch
from prefens.members.training.checkpoint import Checkpoint, Progress
from prefens.members.training.collapse import CollapseGuard, check_finite
from prefens.members.training.dataset import Examples, swapped_rows
from prefens.members.training.ema import averaged
from prefens.members.training.oom import TokenBudget
from prefens.members.training.optimizer import make_optimizer, trainable
from prefens.members.training.schedule import LearningRates
from prefens.members.training.settings import Mode, Swap, TrainingSettings

device = distributed.device


def train(
    model: PairModel,
    examples: Examples,
    settings: TrainingSettings,
    seed: int,
    checkpoint: Checkpoint | None = None,
    inner: NDArray[np.int8] | None = None,
) -> Progress:
    """Train in place; the curve is the unsmoothed training loss of each step, in nats.

    The caller has seeded torch. Processes that train together call this with the same values.

    Parameters
    ----------
    examples : n labelled pairs.
    seed : of the order of the rows, and of which are swapped.
    checkpoint : a file to go on from, and to keep the training in now and then and before it is stopped.
    inner : (n,) the inner fold of each pair; needed where `settings.selects`.

    Raises
    ------
    TrainingError, naming the step, where the loss or a gradient is not finite.
    CollapseError where nothing is learned.
    Stopped where the process was asked to stop.
    """
    examples, left_out = examples.split(inner if settings.selects else None)
    plan = steps(len(examples), settings.batch_pairs, settings.epochs, seed, settings.min_steps)
    per_epoch = steps_per_epoch(len(examples), settings.batch_pairs)
    symmetric = model.head.symmetric or settings.swap is Swap.random
    guard = CollapseGuard.of(examples.label, plan, settings.guard.min_pairs, symmetric, settings.label_smoothing)
    run = _begin(model, settings, len(plan), checkpoint)
    with shutdown.defer():
        for number in progress(range(len(run.curve), len(plan)), "training steps"):
            if run.is_over(settings.patience):
                break
            swapped = swapped_rows(len(examples), settings, seed, number // per_epoch)
            distributed.reseed(seed, number)
            run.curve.append(_step(run, examples, plan[number], swapped, settings, f"step {number + 1} of {len(plan)}"))
            guard.check(run.curve)
            if len(left_out) and (number + 1) % per_epoch == 0:
                run.end_epoch(inner_loss(run, left_out))
            _keep(run, checkpoint)
    guard.check(run.curve, over=True)
    run.finish()
    return run


def _begin(model: PairModel, settings: TrainingSettings, count: int, checkpoint: Checkpoint | None) -> Progress:
    """Return a training of `count` steps as it begins, or as the checkpoint has kept it."""
    if settings.gradient_checkpointing and settings.mode is not Mode.frozen:
        _forget_activations(model)
    model.to(device())
    optimizer = make_optimizer(model, settings)
    rates, average = LearningRates(optimizer, settings, count), averaged(model, settings.ema)
    run = Progress(model, optimizer, rates, average, TokenBudget(settings.token_budget))
    restored = checkpoint is not None and distributed.rank() == 0 and checkpoint.restore(run)
    if distributed.count() > 1:  # only the main process reads the file
        kept = distributed.broadcast(run.state() if restored else None)
        if kept is not None:
            run.restore(kept)
    return run


def _forget_activations(model: PairModel) -> None:
    """Have the encoder compute its layers' activations again for the gradients, instead of keeping them."""
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")  # of new transformers, and older ones
    enable = next((getattr(model.encoder, name) for name in names if hasattr(model.encoder, name)), None)
    if enable is None or not getattr(model.encoder, "supports_gradient_checkpointing", False):  # MPNet can't
        came, expected = "training.gradient_checkpointing=true", "an encoder of transformers, with layers to forget"
        raise ConfigError(came, expected, "leave it at false for this backbone")
    enable({"use_reentrant": False})


def _step(
    run: Progress, examples: Examples, step: Ints, swapped: NDArray[np.bool_], settings: TrainingSettings, name: str
) -> float:
    """Take an optimizer step on the pairs at the places `step`; return its mean unsmoothed loss, in nats."""
    run.model.train()
    losses: list[float] = []

    def learn(part: Ints) -> None:
        losses.append(_learn(run.model, examples, part, swapped, settings.label_smoothing, len(step)))

    def undo() -> None:
        losses.clear()
        run.optimizer.zero_grad(set_to_none=True)

    run.budget.spend(learn, _own_share(step, examples), examples.lengths, undo, distributed.smallest)
    (loss,) = distributed.total([sum(losses)])
    check_finite(loss, "a training loss", name)
    weights = trainable(run.model).values()
    distributed.add_gradients(weights)
    check_finite(float(nn.utils.clip_grad_norm_(weights, settings.clip)), "a gradient", name)
    run.optimizer.step()
    run.rates.step()
    run.optimizer.zero_grad(set_to_none=True)
    if run.averaged is not None:
        run.averaged.update_parameters(run.model)
    return loss


def _learn(
    model: Any, examples: Examples, part: Ints, swapped: NDArray[np.bool_], smoothing: float, size: int
) -> float:
    """Add a micro-batch's share of the gradient of a step of `size` pairs; return that of the unsmoothed loss."""
    batch = pair_batch(examples.tokens, examples.rows[part], examples.padding, swapped[part], model.both)
    logits = model(moved(batch))
    wanted = examples.target(part, swapped).to(logits.device)
    loss = cross_entropy(logits, wanted, reduction="sum", label_smoothing=smoothing) / size
    loss.backward()  # type: ignore[no-untyped-call]
    return float(cross_entropy(logits.detach(), wanted, reduction="sum")) / size


def _own_share(step: Ints, examples: Examples) -> Ints:
    """Return the places of a step that this process takes, as long as the others': all of them, where it is alone."""
    if distributed.count() == 1:
        return step
    return step[np.argsort(examples.lengths[step], kind="stable")][distributed.rank() :: distributed.count()]


def inner_loss(run: Progress, left_out: Examples) -> float:
    """Return the log loss of the pairs that were left out of the training, in nats."""
    own = slice(distributed.rank(), None, distributed.count())
    rows, label = left_out.rows[own], left_out.label[own]
    probabilities = predict(run.predictor, left_out.tokens, rows, run.budget.tokens, left_out.padding)
    (loss,) = distributed.total([float(row_losses(probabilities, label).sum())])
    check_finite(loss, "a loss of the inner split", f"step {len(run.curve)}")
    return loss / len(left_out)


def _keep(run: Progress, checkpoint: Checkpoint | None) -> None:
    """Write the checkpoint where it is due, and before the training is stopped, in all of its processes."""
    request = shutdown.requested()
    code = distributed.largest(0 if request is None else request.code)
    if code and request is None:
        request = Stopped("another process of this training was asked to stop", code)
    if checkpoint is not None and distributed.rank() == 0 and (request is not None or checkpoint.due):
        checkpoint.save(run)
    if request is not None:
        raise request


@torch.no_grad()  # not inference_mode: what a model keeps of a pass it may use in training
def predict(
    model: Any, tokens: PairTokens | EncoderFeatures, rows: NDArray[np.int64], token_budget: int, padding: int
) -> Floats:
    """Return (n, K) float64 probabilities for the pairs at `rows` of `tokens`."""
    model.to(device()).eval()
    lengths = (tokens.a.lengths + tokens.b.lengths)[rows]
    probabilities = np.empty((len(rows), n_outcomes()))

    def fill(part: Ints) -> None:
        found = model.log_probabilities(moved(pair_batch(tokens, rows[part], padding)))
        probabilities[part] = found.exp().cpu().numpy()

    budget = TokenBudget(token_budget)
    for part in progress(list(micro_batches(np.arange(len(rows)), lengths, token_budget)), "predicting"):
        budget.spend(fill, part, lengths)
    return probabilities


def moved(batch: Batch) -> Batch:
    """Return the batch on the device that models are on."""
    return {name: tensor.to(device(), non_blocking=True) for name, tensor in batch.items()}
