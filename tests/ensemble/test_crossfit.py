"""Honest scores: nothing sees what it is scored on, the selected method included, and the truth confirms it."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from prefens.core.errors import BlendError, ConfigError
from prefens.core.fold_run import training_rows
from prefens.core.metrics import log_loss, row_losses
from prefens.core.symmetric_logistic import probabilities_of
from prefens.core.types import Floats, OOFStack, PairFeatures
from prefens.ensemble.base import Blender
from prefens.ensemble.calibration import KINDS, Calibrated, cross_calibrate
from prefens.ensemble.convex_weights import LogLossWeights
from prefens.ensemble.crossfit import best_method, cross_fit, evaluate
from prefens.ensemble.log_pool import LogPool
from prefens.ensemble.registry import BLENDERS
from prefens.ensemble.soft_vote import SoftVote
from prefens.ensemble.stacking import Stacking
from tests.helpers.examples import column, make_stack, random_stack

KIND = [KINDS["temperature"], KINDS["vector"]]


class Counting(SoftVote):
    """A soft vote that notes which folds it was fitted on."""

    seen: list[tuple[int, ...]]

    def _fit(self, stack: OOFStack) -> None:
        super()._fit(stack)
        Counting.seen.append(tuple(sorted({int(fold) for fold in stack.folds.fold})))


def test_five_folds_take_sixteen_fits() -> None:
    Counting.seen = []
    evaluate([Counting()], random_stack(2, 100, seed=0))
    fits = Counter(len(folds) for folds in Counting.seen)
    assert fits == {5: 1, 4: 5, 3: 10}
    assert len(set(Counting.seen)) == 16


def test_the_selection_is_made_without_the_fold_it_is_scored_on() -> None:
    stack = random_stack(4, 300, seed=3)
    blenders: list[Blender] = [SoftVote(), LogLossWeights(), LogPool()]
    _, nested = evaluate(blenders, stack, calibrations=KIND)
    assert nested is not None
    label, fold = stack.folds.label, stack.folds.fold
    for out in range(5):
        train = stack.rows(fold != out)
        scores = {}
        for blender in blenders:
            kinds = [kind for kind in KIND if kind.name not in blender.CONTAINS]
            for each in (blender, *(Calibrated(blender, kind()) for kind in kinds)):
                scores[each.name] = log_loss(cross_fit([each], train)[each.name], train.folds.label)
        best = min(scores, key=lambda name: scores[name])
        assert nested.method_by_fold[out] == best
        base, *calibration = best.split("+")
        blender = next(each for each in blenders if each.name == base)
        fitted = (Calibrated(blender, KINDS[calibration[0]]()) if calibration else blender).fit(train)
        expected = fitted.predict(stack.probabilities[:, fold == out])
        np.testing.assert_allclose(nested.probabilities[fold == out], expected, atol=1e-12)
    assert nested.honest == pytest.approx(log_loss(nested.probabilities, label), abs=1e-12)


def test_the_selection_never_sees_the_labels_of_its_fold() -> None:
    stack = random_stack(4, 200, seed=5)
    label = stack.folds.label.copy()
    changed = stack.folds.fold == 1
    label[changed] = (label[changed] + 1) % 3
    blenders = [kind() for kind in BLENDERS]
    before, after = (evaluate(blenders, each)[1] for each in (stack, make_stack(stack.probabilities, label)))
    assert before is not None
    assert after is not None
    assert before.method_by_fold[1] == after.method_by_fold[1]
    np.testing.assert_array_equal(before.probabilities[changed], after.probabilities[changed])


def test_the_selection_for_a_new_source_sees_no_labels_of_its_prompts() -> None:
    stack = random_stack(4, 120, seed=5)
    settings = {"scheme": "source", "k": 3, "seed": 0, "holdout": 0.0, "sources": ["a", "b", "c"]}
    fold = (np.arange(120) % 3).astype(np.int8)
    group = column([f"g{row // 3 if row % 2 else row}" for row in range(120)])  # half of the prompts are in all three
    blenders = [kind() for kind in BLENDERS]
    for seed in range(4):
        label = stack.folds.label.copy()
        folds = replace(stack.folds, group=group, fold=fold, settings=settings)
        changed = ~training_rows(folds, fold == 1) & (fold != 1)
        label[changed] = np.random.default_rng(seed).integers(0, 3, changed.sum())
        before, after = (
            evaluate(blenders, replace(stack, folds=each))[1] for each in (folds, replace(folds, label=label))
        )
        assert before is not None
        assert after is not None
        assert before.method_by_fold[1] == after.method_by_fold[1]
        np.testing.assert_array_equal(before.probabilities[fold == 1], after.probabilities[fold == 1])


class Failing(SoftVote):
    """A rule that can't be fitted to all rows."""

    name = "failing"

    def _fit(self, stack: OOFStack) -> None:
        super()._fit(stack)
        if len(stack.folds.ids) < 70:
            raise ValueError("too few for me")


def test_a_method_that_fails_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    stack = random_stack(3, 100, seed=0)
    results, nested = evaluate([SoftVote(), Failing(), LogLossWeights()], stack)
    assert [result.method for result in results] == ["soft_vote", "log_loss"]
    assert nested is not None
    assert nested.n_methods == 2
    assert "failing is left out: failing: too few for me" in caplog.text
    with pytest.raises(BlendError, match="too few"):
        evaluate([Failing()], stack)


def test_a_method_may_come_once() -> None:
    with pytest.raises(ConfigError, match="log_loss twice"):
        evaluate([LogLossWeights(), LogLossWeights(shrinkage=[1.0])], random_stack(3, 100, seed=0))


def test_of_equal_methods_the_first_is_best() -> None:
    assert best_method({"a": 1.0 + 5e-7, "b": 1.0}) == "a"
    assert best_method({"a": 1.1, "b": 1.0}) == "b"
    results, _ = evaluate([LogPool()], random_stack(3, 100, seed=0), calibrations=KIND)
    assert [result.method for result in results] == ["log_pool", "log_pool+vector"]  # a temperature is its own


def test_two_folds_leave_no_nested_selection() -> None:
    stack = random_stack(3, 60, seed=0)
    results, nested = evaluate([SoftVote(), LogLossWeights()], make_stack(stack.probabilities, stack.folds.label, 2))
    assert nested is None
    assert [result.method for result in results] == ["soft_vote", "log_loss"]


def test_calibrations_share_the_fit_of_their_blender() -> None:
    stack = random_stack(4, 200, seed=1)
    results, _ = evaluate([LogLossWeights()], stack, calibrations=KIND)
    assert [result.method for result in results] == ["log_loss", "log_loss+temperature", "log_loss+vector"]
    for result, kind in zip(results[1:], KIND, strict=True):
        alone = cross_fit([Calibrated(LogLossWeights(), kind())], stack)
        np.testing.assert_allclose(result.probabilities, alone[result.method], atol=1e-12)


def test_members_are_calibrated_across_folds() -> None:
    stack = random_stack(1, 200, seed=2, sharpness=3.0)
    calibrated = cross_calibrate(KINDS["temperature"], stack.probabilities[0], stack.folds)
    assert log_loss(calibrated, stack.folds.label) < log_loss(stack.probabilities[0], stack.folds.label)
    label = stack.folds.label.copy()
    changed = stack.folds.fold == 0
    label[changed] = 2 - label[changed]
    again = cross_calibrate(KINDS["temperature"], stack.probabilities[0], make_stack(stack.probabilities, label).folds)
    np.testing.assert_array_equal(calibrated[changed], again[changed])


def simulated(seed: int, rows: int, fresh: int, members: int) -> tuple[OOFStack, Floats, np.ndarray]:
    """Return a stack, and fresh (M, m, 3) probabilities of its members with (m,) labels: truth plus their noise."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(rows + fresh, 3)) * 0.8
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    label = (generator.random((rows + fresh, 1)) > truth.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    noise = generator.normal(size=(members, rows + fresh, 3)) * np.linspace(0.8, 1.6, members)[:, None, None]
    shares = np.exp(logits + noise)
    shares /= shares.sum(axis=2, keepdims=True)
    return make_stack(shares[:, :rows], label[:rows]), shares[:, rows:], label[rows:]


def test_honest_scores_agree_with_fresh_rows_and_fitted_ones_flatter() -> None:
    flattered, off = [], []
    for seed in range(12):
        stack, fresh, label = simulated(seed, rows=400, fresh=40_000, members=20)
        blenders: list[Blender] = [LogLossWeights(), LogPool()]
        results, nested = evaluate(blenders, stack)
        assert nested is not None
        on_fresh = {
            blender.name: log_loss(blender.fit(stack).predict(fresh), label.astype(np.int8)) for blender in blenders
        }
        for result in results:
            off.append((result.honest - on_fresh[result.method]) / result.honest_se)
            flattered.append(on_fresh[result.method] - result.fitted)
        off.append((nested.honest - min(on_fresh.values())) / nested.honest_se)
    assert np.mean(np.abs(off) < 2) >= 0.9
    assert abs(np.mean(off)) < 0.75  # not biased either way, but for the smaller folds of the refits
    assert np.mean(flattered) > 0.01
    assert np.mean(flattered) > 3 * np.std(flattered) / np.sqrt(len(flattered))


def test_features_that_a_member_was_fitted_on_do_not_leak_through_the_stack() -> None:
    # Features and out-of-fold log odds together tell what a fold's own labels would have added to the member.
    generator = np.random.default_rng(0)
    features, rows = generator.normal(size=(5600, 40)), 600
    drawn = features[:, 0] + 2.0 * generator.normal(size=5600)
    label = np.where(np.abs(drawn) < 0.8, 2, np.where(drawn > 0, 0, 1))
    vote, fold = (label == 0) * 1.0 - (label == 1), np.arange(rows) % 5
    fits = [np.linalg.lstsq(features[:rows][fold != out], vote[:rows][fold != out], rcond=None)[0] for out in range(5)]
    s = np.concatenate([(features[:rows] * np.array(fits)[fold]).sum(axis=1), features[rows:] @ np.mean(fits, axis=0)])
    member = probabilities_of(s, np.zeros(5600))[None]

    def features_of(part: slice) -> PairFeatures:
        return PairFeatures(("x",) * 40, ("one",), features[part], np.ones((len(features[part]), 1)))

    stack = replace(make_stack(member[:, :rows], label[:rows]), features=features_of(slice(rows)))
    (result,), _ = evaluate([Stacking(style=True)], stack)
    fresh = Stacking(style=True).fit(stack).predict(member[:, rows:], features_of(slice(rows, None)))
    assert abs(result.honest - log_loss(fresh, label[rows:].astype(np.int8))) < 2 * result.honest_se
    assert result.honest > log_loss(member[0, rows:], label[rows:].astype(np.int8)) - 2 * result.honest_se


def test_the_hold_out_is_scored_by_the_blender_of_all_rows() -> None:
    stack, fresh, label = simulated(0, rows=300, fresh=100, members=4)
    held_out = make_stack(fresh, label)
    (result,), _ = evaluate([LogLossWeights()], stack, held_out)
    expected = LogLossWeights().fit(stack).predict(fresh)
    assert result.holdout == pytest.approx(row_losses(expected, held_out.folds.label).mean(), abs=1e-12)
