"""Training the heads of many fold runs at once, on the features that they share."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from prefens import stopping
from prefens.errors import CollapseError
from prefens.modeling.encoded import EncodedPairs
from prefens.modeling.head_stack import HeadStack
from prefens.modeling.pair_model import Batch, PairModel
from prefens.progress import progress
from prefens.records import Ints
from prefens.training.averaging import averaged
from prefens.training.batching import steps, steps_per_epoch
from prefens.training.examples import Examples, swapped_rows
from prefens.training.loop import device, guard_of
from prefens.training.optimiser import make_optimiser
from prefens.training.schedule import LearningRates
from prefens.training.settings import TrainingSettings


@dataclass(frozen=True, eq=False)
class HeadRun:
    """One of the trainings: a model on a frozen encoder, its examples (pooled `EncodedPairs`), and its seed."""

    model: PairModel
    examples: Examples
    seed: int

    def schedule(self, settings: TrainingSettings) -> tuple[int, int]:
        """Return its optimiser steps, in an epoch and in all; only trainings with the same ones go together."""
        return steps_per_epoch(len(self.examples), settings.batch_pairs), len(_plan(self, settings))


@dataclass(frozen=True)
class TrainedHead:
    """What came of a training.

    Attributes
    ----------
    weights : of the head, by name; curve : the unsmoothed training loss of each step, in nats.
    seconds : its share of the time; beside : how many others it was trained with.
    """

    weights: dict[str, torch.Tensor]
    curve: list[float]
    seconds: float
    beside: int

    def curves(self) -> dict[str, list[float]]:
        """Return the losses by name."""
        return {"train_loss": self.curve}

    def facts(self) -> dict[str, float | int]:
        """Return with how many others it was trained."""
        return {"heads_beside": self.beside}


def train_together(runs: Sequence[HeadRun], settings: TrainingSettings) -> list[TrainedHead | None]:
    """Return what `loop.train` makes of each run, but for rounding and the draws of dropout; None where it fails.

    A head whose loss or gradient is not finite, or that learns nothing, leaves the others as they are: whoever trains
    it alone afterwards is told why. The models' own weights are left as they were; the caller has seeded torch.
    ValueError where the runs differ in their schedules.
    """
    started = time.perf_counter()
    ((per_epoch, count),) = {run.schedule(settings) for run in runs}
    stack = HeadStack([run.model.to(device()).train() for run in runs])  # one may be there: it has read the texts
    optimiser = make_optimiser(stack, settings)
    rates, average = LearningRates(optimiser, settings, count), averaged(stack, settings.ema)
    losses, norms = [], []
    for batch, target, weight in progress(
        _batches(runs, settings, per_epoch), f"training steps of {len(runs)} heads", count
    ):
        stopping.check()
        logits = stack(batch)
        smoothed = _loss(logits, target, weight, settings.label_smoothing)
        smoothed.sum().backward()  # type: ignore[no-untyped-call]
        losses.append(_loss(logits.detach(), target, weight, 0.0))
        norms.append(_clip(stack, settings.clip))
        optimiser.step()
        rates.step()
        optimiser.zero_grad(set_to_none=True)
        if average is not None:
            average.update_parameters(stack)
    curves, largest = (torch.stack(values, dim=1).cpu() for values in (losses, norms))
    predictor: Any = stack if average is None else average.module
    share = (time.perf_counter() - started) / len(runs)
    sound = (curves.isfinite() & largest.isfinite()).all(dim=1)
    return [
        TrainedHead(predictor.weights_of(place), curve, share, len(runs) - 1)
        if sound[place] and _learned(run, curve, settings)
        else None
        for place, (run, curve) in enumerate(zip(runs, curves.tolist(), strict=True))
    ]


def _batches(
    runs: Sequence[HeadRun], settings: TrainingSettings, per_epoch: int
) -> Iterator[tuple[Batch, torch.Tensor, torch.Tensor]]:
    """Yield, for every step of m runs, their batch, its targets and its weights, (m, n) each, on the device.

    n is the pairs of the largest step. Where a run has fewer, their weights are 0; the others' are those of a mean.
    Features are moved to the device once, and the places of an epoch's pairs once an epoch.
    """
    shared, both = runs[0].examples.tokens, runs[0].examples.both
    if not isinstance(shared, EncodedPairs) or not shared.pooled:
        raise ValueError("heads are trained together on pooled features")
    values, style = torch.tensor(np.asarray(shared.values), device=device()), _style(runs)
    heads = torch.arange(len(runs), device=device())[:, None]
    plans = [_plan(run, settings) for run in runs]
    width = max(len(step) for plan in plans for step in plan)
    for epoch in range(len(plans[0]) // per_epoch):
        steps_of = slice(epoch * per_epoch, (epoch + 1) * per_epoch)
        parts = [_epoch(run, plan[steps_of], settings, epoch, width) for run, plan in zip(runs, plans, strict=True)]
        moved = [torch.stack(part, dim=1).to(device()) for part in zip(*parts, strict=True)]
        for rows, turned, target, weight in zip(*moved, strict=True):
            orders = [turned, ~turned] if both else [turned]  # of which of a pair's two sequences are shown
            places = torch.cat([rows + len(shared) * other for other in orders], dim=1)
            batch = {"pooled": values[places], "rows": rows}
            if style is not None:
                signs = 1.0 - 2.0 * turned.float()
                batch |= {"odd": style[0][heads, rows] * signs[..., None], "even": style[1][heads, rows]}
            yield batch, target, weight


def _plan(run: HeadRun, settings: TrainingSettings) -> list[Ints]:
    return steps(len(run.examples), settings.batch_pairs, settings.epochs, run.seed, settings.min_steps)


def _epoch(
    run: HeadRun, plan: Sequence[Ints], settings: TrainingSettings, epoch: int, width: int
) -> tuple[torch.Tensor, ...]:
    """Return what the steps of an epoch show, (steps, width) each: rows, whether turned round, target, weight."""
    places, weight = np.zeros((len(plan), width), dtype=np.int64), np.zeros((len(plan), width), dtype=np.float32)
    for number, step in enumerate(plan):
        places[number, : len(step)], weight[number, : len(step)] = step, 1.0 / len(step)
    swapped = swapped_rows(len(run.examples), settings, run.seed, epoch)
    rows, turned = (torch.from_numpy(values[places]) for values in (run.examples.rows, swapped))
    return rows, turned, run.examples.target(places, swapped), torch.from_numpy(weight)


def _style(runs: Sequence[HeadRun]) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return (m, pairs, p) odd and (m, pairs, q) even style features, of all pairs as each run scales them; or None."""
    found = [style for run in runs if (style := run.examples.tokens.style) is not None]
    if not found:
        return None
    odd, even = (np.stack([getattr(style, name).astype("float32") for style in found]) for name in ("odd", "even"))
    return torch.from_numpy(odd).to(device()), torch.from_numpy(even).to(device())


def _loss(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Return the (m,) weighted losses of (m, n, 3) logits."""
    each = cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none", label_smoothing=smoothing)
    return (each.view(weight.shape) * weight).sum(dim=1)


def _clip(stack: HeadStack, largest: float) -> torch.Tensor:
    """Clip the norm of each model's gradient as `clip_grad_norm_` does; return the (m,) norms before it."""
    gradients = [weight.grad for weight in stack.parameters() if weight.grad is not None]
    norms = (
        torch.stack([gradient.reshape(len(gradient), -1).square().sum(dim=1) for gradient in gradients])
        .sum(dim=0)
        .sqrt()
    )
    factors = (largest / (norms + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))
    return norms


def _learned(run: HeadRun, curve: list[float], settings: TrainingSettings) -> bool:
    guard = guard_of(run.model, run.examples, _plan(run, settings), settings)
    try:
        guard.check(curve[: guard.judged_at])
    except CollapseError:
        return False
    return True
