"""The marginal gain tells members that add nothing from those that know something else."""

from dataclasses import replace

import numpy as np
import pytest

from prefens.core.errors import BlendError
from prefens.core.types import OOFStack
from prefens.ensemble.complementarity import marginal_gain
from tests.helpers.examples import make_stack


def views(seed: int, rows: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    """Return (4, n, 3) probabilities of members that each see two of four causes, and (n,) labels."""
    generator = np.random.default_rng(seed)
    causes = generator.normal(size=(4, rows, 3)) * 0.6
    logits = causes.sum(axis=0)
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    label = (generator.random((rows, 1)) > truth.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    seen = np.exp(np.stack([causes[0] + causes[1], causes[1] + causes[2], causes[2] + causes[3], causes[0]]))
    return seen / seen.sum(axis=2, keepdims=True), label


def stack_of(probabilities: np.ndarray, label: np.ndarray) -> OOFStack:
    return make_stack(probabilities, label)


def test_a_member_that_knows_something_else_helps() -> None:
    seen, label = views(0)
    stack = stack_of(seen[:2], label)
    gain = marginal_gain(stack, seen[2][stack.folds.fold == 0], 0)
    assert gain.low > 0.005
    assert gain.low <= gain.gain <= gain.high
    assert gain.helps(0.0005)


def test_a_copy_and_a_constant_add_nothing() -> None:
    seen, label = views(1)
    stack = stack_of(seen[:2], label)
    held_out = stack.folds.fold == 0
    blended_already = 0.98 * seen[0] + 0.02 / 3
    for useless in (blended_already, np.full_like(seen[0], 1 / 3) * 0.0 + [0.9, 0.05, 0.05]):
        gain = marginal_gain(stack, useless[held_out], 0)
        assert gain.gain >= 0
        assert not gain.helps(0.01)
    assert not marginal_gain(stack, np.full_like(seen[0], 1 / 3)[held_out], 0).helps(0.01)


def test_the_gain_repeats_and_needs_the_whole_fold() -> None:
    seen, label = views(2, rows=400)
    stack = stack_of(seen[:2], label)
    rows = stack.folds.fold == 3
    assert marginal_gain(stack, seen[2][rows], 3) == marginal_gain(stack, seen[2][rows], 3)
    with pytest.raises(BlendError, match="fold 3"):
        marginal_gain(stack, seen[2][:5], 3)


def test_rows_that_ask_what_a_held_out_source_asks_tell_nothing() -> None:
    seen, label = views(3, rows=400)
    rows, source = np.arange(400), {"scheme": "source", "k": 2}
    group = np.where(rows >= 300, rows - 300, rows)  # prompts of the first source, in the second
    stack = stack_of(seen[:2], label)
    folds = replace(stack.folds, fold=(rows >= 200).astype(np.int8), group=group, settings=source)
    relabelled = np.where(rows >= 300, 2 - label, label).astype(np.int8)
    gains = [
        marginal_gain(replace(stack, folds=replace(folds, label=each)), seen[2][:200], 0, 20)
        for each in (label.astype(np.int8), relabelled)
    ]
    assert gains[0] == gains[1]
