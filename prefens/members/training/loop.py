"""The training loop of pair models, and prediction with them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from prefens.core import shutdown
from prefens.core.errors import ConfigError
from prefens.core.metrics import row_losses, swap_outcomes
from prefens.core.progress import progress
from prefens.core.shutdown import Stopped
from prefens.core.types import Floats, Ints, Outcome
from prefens.data.text.tokens import PairTokens
from prefens.members.nn.encoder_features import EncoderFeatures
from prefens.members.nn.encoder_forward import ORDER, on_device, with_order
from prefens.members.nn.pair_model import Batch, PairModel, pair_batch
from prefens.members.training import distributed
from prefens.members.training.batching import content_order, micro_batches, plan_steps, steps_per_epoch
from prefens.members.training.checkpoint import Checkpoint
from prefens.members.training.collapse import CollapseGuard, check_finite
from prefens.members.training.dataset import Examples, swapped_rows
from prefens.members.training.ema import ema_model
from prefens.members.training.losses import summed_loss, target_tensors
from prefens.members.training.oom import TokenBudget
from prefens.members.training.optimizer import make_optimizer, trained_parameters
from prefens.members.training.schedule import LearningRates
from prefens.members.training.settings import CLIP, Mode, Swap, TrainingSettings
from prefens.members.training.state import TrainingState

device = distributed.device


def train(
    model: PairModel,
    examples: Examples,
    settings: TrainingSettings,
    seed: int,
    checkpoint: Checkpoint | None = None,
    inner: NDArray[np.int8] | None = None,
) -> TrainingState:
    """Train a model in place; the caller has seeded torch. Processes that train together call this with equal values.

    Parameters
    ----------
    model : PairModel
        A new model.
    examples : Examples
        n pairs and their targets.
    settings : TrainingSettings
        How to train.
    seed : int
        Of the order of the rows, and of which are swapped.
    checkpoint : Checkpoint or None
        The file to continue from and to save to, when it is due and before the training is stopped.
    inner : int8 array, shape (n,), or None
        The inner fold of each pair; needed where `settings.selects`.

    Returns
    -------
    TrainingState
        With the losses of all steps; its model has the predicting weights.

    Raises
    ------
    TrainingError
        A loss or a gradient is not finite, one pair does not fit into memory, or the pairs can't be split by prompt.
    CollapseError
        Nothing is learned.
    ConfigError
        The encoder has no gradient checkpointing, and the settings ask for it.
    Stopped
        The process was asked to stop.
    """
    examples, left_out = examples.split(inner if settings.selects else None)
    plan = plan_steps(len(examples), settings.batch_pairs, settings.epochs, seed, settings.min_steps)
    per_epoch = steps_per_epoch(len(examples), settings.batch_pairs)
    symmetric = model.head.symmetric or settings.swap is not Swap.none
    least, smoothing = settings.guard.min_pairs, settings.label_smoothing
    guard = CollapseGuard.for_plan(examples.targets, plan, least, symmetric, smoothing)
    state = _start(model, settings, len(plan), checkpoint)
    with shutdown.defer():
        for step in progress(range(len(state.train_losses), len(plan)), "training steps"):
            if state.should_stop(settings.patience):
                break
            swapped = swapped_rows(len(examples), settings, seed, step // per_epoch)
            distributed.reseed(seed, step)
            name = f"step {step + 1} of {len(plan)}"
            state.train_losses.append(_optimizer_step(state, examples, plan[step], swapped, settings, name))
            guard.check(state.train_losses)
            if len(left_out) and (step + 1) % per_epoch == 0:
                state.end_epoch(inner_loss(state, left_out))
            _save_if_due(state, checkpoint)
    guard.check(state.train_losses, finished=True)
    state.finish()
    return state


def _start(model: PairModel, settings: TrainingSettings, steps: int, checkpoint: Checkpoint | None) -> TrainingState:
    """Return the state of a training of `steps` steps: that of the checkpoint, or a new one."""
    if settings.gradient_checkpointing and settings.mode is not Mode.frozen:
        enable_gradient_checkpointing(model)
    model.to(device())
    optimizer = make_optimizer(model, settings)
    rates, average = LearningRates(optimizer, settings, steps), ema_model(model, settings.ema)
    state = TrainingState(model, optimizer, rates, average, TokenBudget(settings.token_budget))
    restored = checkpoint is not None and distributed.rank() == 0 and checkpoint.restore(state)
    if distributed.world_size() > 1:  # only the main process reads the file
        restored_state = distributed.broadcast(state.state_dict() if restored else None)
        if restored_state is not None:
            state.load_state_dict(restored_state)
    return state


def enable_gradient_checkpointing(model: PairModel) -> None:
    """Have the encoder recompute its layers' activations for the gradients, instead of keeping them.

    Raises
    ------
    ConfigError
        The encoder does not support it.
    """
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")  # of new transformers, and older ones
    enable = next((getattr(model.encoder, name) for name in names if hasattr(model.encoder, name)), None)
    if enable is None or not getattr(model.encoder, "supports_gradient_checkpointing", False):  # MPNet does not
        came, expected = "training.gradient_checkpointing=true", "an encoder of transformers that supports it"
        raise ConfigError(came, expected, "set training.gradient_checkpointing=false for this backbone")
    enable({"use_reentrant": False})


def _optimizer_step(
    state: TrainingState,
    examples: Examples,
    places: Ints,
    swapped: NDArray[np.bool_],
    settings: TrainingSettings,
    name: str,
) -> float:
    """Take one step on the pairs at `places`; return their mean unsmoothed loss, in nats."""
    state.model.train()
    losses: list[torch.Tensor] = []

    both = settings.swap is Swap.both and not cast(PairModel, state.model).head.symmetric
    orders = (swapped, ~swapped) if both else (swapped,)
    shown = len(orders) * len(places) * examples.targets.mean_weight  # a pair weighs the same in every step

    def backward(part: Ints) -> None:
        for order in orders:
            losses.append(_backward(state.model, examples, part, order, settings.label_smoothing, shown))

    def undo() -> None:
        losses.clear()
        state.optimizer.zero_grad(set_to_none=True)

    state.budget.run(backward, _rank_share(places, examples), examples.lengths, undo, distributed.all_min)
    parameters = trained_parameters(state.model).values()
    distributed.sum_gradients(parameters)
    norm = nn.utils.clip_grad_norm_(parameters, CLIP if settings.clip is None else settings.clip)
    *sums, gradient = torch.stack([*losses, norm]).tolist()  # the one time in a step that the host waits for the GPU
    loss = distributed.all_sum(sum(value / shown for value in sums))
    check_finite(loss, "a training loss", name)
    check_finite(gradient, "a gradient", name)
    state.optimizer.step()
    state.learning_rates.step()
    state.optimizer.zero_grad(set_to_none=True)
    if state.ema_model is not None:
        state.ema_model.update_parameters(state.model)
    return loss


def _backward(
    model: Any, examples: Examples, part: Ints, swapped: NDArray[np.bool_], smoothing: float, divisor: float
) -> torch.Tensor:
    """Add the gradient of a micro-batch's losses over `divisor`; return the sum of its unsmoothed losses."""
    batch = pair_batch(examples.inputs, examples.rows[part], examples.padding, swapped[part], model.needs_both)
    tensors = [on_device(tensor, device()) for tensor in target_tensors(examples.targets, part, swapped)]
    logits, temperature = model(to_device(batch)), examples.targets.temperature
    loss = summed_loss(logits, tensors, temperature, smoothing) / divisor
    loss.backward()  # type: ignore[no-untyped-call]
    return summed_loss(logits.detach(), tensors, temperature)


def _rank_share(places: Ints, examples: Examples) -> Ints:
    """Return this process's part of a step's places, about as many tokens as the others'; all of them where alone."""
    if distributed.world_size() == 1:
        return places
    by_length = places[np.argsort(examples.lengths[places], kind="stable")]
    return by_length[distributed.rank() :: distributed.world_size()]


def inner_loss(state: TrainingState, left_out: Examples) -> float:
    """Return the log loss, in nats, of the pairs that were left out of the training.

    Raises
    ------
    TrainingError
        It is not finite.
    """
    share = slice(distributed.rank(), None, distributed.world_size())
    rows, vote = left_out.rows[share], left_out.targets.vote[share]
    probabilities = predict(state.predictor, left_out.inputs, rows, state.budget.tokens, left_out.padding)
    loss = distributed.all_sum(float(row_losses(probabilities, vote).sum()))
    check_finite(loss, "a loss of the inner split", f"step {len(state.train_losses)}")
    return loss / len(left_out)


def _save_if_due(state: TrainingState, checkpoint: Checkpoint | None) -> None:
    """Save the checkpoint when it is due; when any process was asked to stop, save it and stop all of them."""
    request = shutdown.requested(lossless=checkpoint is not None)
    code = distributed.all_max(0 if request is None else request.code)
    if code and request is None:
        request = Stopped("another process of this training was asked to stop", code)
    if checkpoint is not None and distributed.rank() == 0 and (request is not None or checkpoint.due):
        checkpoint.save(state)
    if request is not None:
        raise request


@torch.no_grad()  # not inference_mode: what a model caches of a pass it may use in training
def predict(
    model: Any, inputs: PairTokens | EncoderFeatures, rows: NDArray[np.int64], token_budget: int, padding: int
) -> Floats:
    """Return the outcome probabilities of some pairs.

    Parameters
    ----------
    model : PairModel
        The model; it is moved to this process's device.
    inputs : PairTokens or EncoderFeatures
        Of these pairs and others.
    rows : int64 array, shape (n,)
        The places of the pairs in `inputs`.
    token_budget : int
        Real tokens in a forward pass; halved where memory runs out.
    padding : int
        The id of the padding token.

    Returns
    -------
    float64 array, shape (n, K)

    Raises
    ------
    TrainingError
        One pair does not fit into memory.
    """
    model.to(device()).eval()
    if model.second_order_below is None or not isinstance(inputs, PairTokens):
        return _predict(model, inputs, rows, token_budget, padding)
    swapped, identical = content_order(inputs, rows)
    probabilities = _predict(model, inputs, rows, token_budget, padding, swapped)
    margin = np.abs(probabilities[:, Outcome.A_WINS] - probabilities[:, Outcome.B_WINS])
    both = np.flatnonzero((margin < model.second_order_below) | identical)
    if len(both):
        probabilities[both] = _predict(model, inputs, rows[both], token_budget, padding)
    return probabilities


def _predict(
    model: Any,
    inputs: PairTokens | EncoderFeatures,
    rows: NDArray[np.int64],
    token_budget: int,
    padding: int,
    swapped: NDArray[np.bool_] | None = None,
) -> Floats:
    """Return (n, K) probabilities: of both orders, or of one where `swapped` tells which.

    `swapped` is a bool array, shape (n,), of whether a pair's second sequence is the one that is read.
    """
    lengths = (inputs.a.lengths + (inputs.b.lengths if swapped is None else 0))[rows]
    parts: list[Ints] = []
    results: list[torch.Tensor] = []  # read at the end, so that the host never waits for the GPU between two parts

    def fill(part: Ints) -> None:
        if swapped is None:
            result = model.log_probabilities(to_device(pair_batch(inputs, rows[part], padding))).exp()
        else:
            logits = model(to_device(pair_batch(inputs, rows[part], padding, swapped[part], both=False)))
            result = logits.double().softmax(dim=1)
        parts.append(part)
        results.append(result)

    budget = TokenBudget(token_budget)
    for part in progress(list(micro_batches(np.arange(len(rows)), lengths, token_budget)), "predicting"):
        budget.run(fill, part, lengths)
    probabilities = np.empty((len(rows), model.head.n_outcomes))
    if parts:
        probabilities[np.concatenate(parts)] = torch.cat(results).cpu().numpy()
    return probabilities if swapped is None else np.where(swapped[:, None], swap_outcomes(probabilities), probabilities)


def to_device(batch: Batch) -> Batch:
    """Return a batch on this process's device; the order of its sequences stays on the host, which needs it there."""
    ordered = with_order(batch) if "input_ids" in batch else batch
    return {name: tensor if name in ORDER else on_device(tensor, device()) for name, tensor in ordered.items()}
