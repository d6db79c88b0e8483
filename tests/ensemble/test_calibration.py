"""Calibration across sources: what is common to all of them is found, each counts the same, A and B are alike."""

from dataclasses import replace

import numpy as np
import pytest

from prefens.core.metrics import log_loss
from prefens.core.symmetric_logistic import log_odds, probabilities_of
from prefens.core.types import SWAP, Floats, OOFStack
from prefens.ensemble.blend import make_blend
from prefens.ensemble.calibration import KINDS, AcrossSources, calibrations_for, cross_calibrate
from prefens.ensemble.crossfit import cross_fit, evaluate
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.soft_vote import SoftVote
from tests.helpers.examples import column, random_stack

SIZES = (300, 200, 100)


def by_source(stack: OOFStack, sizes: tuple[int, ...] = SIZES) -> OOFStack:
    """Return a stack whose folds are sources of these sizes, with a prompt of its own for each row."""
    settings = {"scheme": "source", "k": len(sizes), "seed": 0, "holdout": 0.0, "sources": [*map(str, sizes)]}
    fold = np.repeat(np.arange(len(sizes), dtype=np.int8), sizes)
    group = column([f"g{row}" for row in range(len(fold))])
    return replace(stack, folds=replace(stack.folds, fold=fold, group=group, settings=settings))


def over_sure(members: int = 1, rows: int = sum(SIZES)) -> OOFStack:
    return by_source(random_stack(members, rows, seed=0, sharpness=3.0))


def fitted(predictions: Floats, stack: OOFStack) -> AcrossSources:
    return AcrossSources().fit(predictions, stack.folds.label, stack.folds.fold)


def test_temperature_and_tie_rate_of_all_sources_are_found() -> None:
    generator = np.random.default_rng(0)
    truth = generator.dirichlet([2, 2, 2], size=30_000)
    label = (generator.random((len(truth), 1)) > truth.cumsum(axis=1)).sum(axis=1).clip(0, 2).astype(np.int8)
    s, t = log_odds(truth)
    wrong = probabilities_of(2.0 * s, 2.0 * (t - 0.7))  # over-sure, with too few ties
    calibration = AcrossSources().fit(wrong, label, np.arange(len(truth), dtype=np.int8) % 3)
    assert calibration.coefficients == pytest.approx([0.5, 0.7], abs=0.03)
    np.testing.assert_allclose(calibration.apply(wrong), truth, atol=0.02)


def test_each_source_counts_the_same() -> None:
    stack = over_sure()
    predictions, folds = stack.probabilities[0], stack.folds
    doubled = np.concatenate([np.arange(len(folds.fold)), np.flatnonzero(folds.fold == 2)])
    again = AcrossSources().fit(predictions[doubled], folds.label[doubled], folds.fold[doubled])
    np.testing.assert_allclose(again.coefficients, fitted(predictions, stack).coefficients, atol=1e-6)
    apart = AcrossSources().fit(predictions, folds.label)  # without sources, each row counts the same
    assert abs(apart.coefficients - again.coefficients).max() > 1e-3


def test_what_is_fitted_has_the_lowest_mean_of_the_sources_losses(generator: np.random.Generator) -> None:
    stack = over_sure()
    own, folds = stack.probabilities[0], stack.folds
    calibration = fitted(own, stack)

    def mean_loss() -> float:
        predicted = calibration.apply(own)
        return float(
            np.mean([log_loss(predicted[folds.fold == fold], folds.label[folds.fold == fold]) for fold in range(3)])
        )

    best = calibration.coefficients
    lowest = mean_loss()
    for step in generator.normal(0, 0.05, size=(20, 2)):
        calibration.coefficients = best + step
        assert mean_loss() > lowest - 1e-5  # the ridge is worth less


def test_a_and_b_are_treated_alike() -> None:
    stack = over_sure()
    own, label = stack.probabilities[0], stack.folds.label
    swapped = AcrossSources().fit(own[:, SWAP], SWAP[label].astype(np.int8), stack.folds.fold)
    calibration = fitted(own, stack)
    np.testing.assert_allclose(swapped.coefficients, calibration.coefficients, atol=1e-6)
    np.testing.assert_allclose(calibration.apply(own[:, SWAP]), calibration.apply(own)[:, SWAP], atol=1e-12)


@pytest.mark.parametrize("outcome", [0, 2])
def test_one_outcome_alone_is_no_accident(outcome: int) -> None:
    stack = over_sure()
    label = np.full_like(stack.folds.label, outcome)
    predicted = AcrossSources().fit(stack.probabilities[0], label, stack.folds.fold).apply(stack.probabilities[0])
    assert np.isfinite(predicted).all()
    np.testing.assert_allclose(predicted.sum(axis=1), 1.0, atol=1e-12)


def test_it_takes_part_where_folds_are_sources_alone() -> None:
    stack = over_sure(2)
    grouped = random_stack(2, 100, seed=0)
    assert calibrations_for(stack.folds) == [*KINDS.values()]
    for each, expected in ((stack, True), (grouped, False)):
        blend = make_blend(BlendInputs(each.folds, each, None, None), [SoftVote()], [*KINDS.values()], resamples=10)
        assert ("soft_vote+sources" in [result.method for result in blend.results]) == expected
        assert ("sources" in blend.calibrated["m0"]) == expected
    honest = {result.method: result.honest for result in blend.results}
    without = [KINDS["temperature"], KINDS["vector"]]
    as_before = make_blend(BlendInputs(grouped.folds, grouped, None, None), [SoftVote()], without, resamples=10)
    assert {result.method: result.honest for result in as_before.results} == honest
    assert as_before.predictions_digest == blend.predictions_digest


def test_no_label_of_a_source_or_of_its_prompts_tells_what_is_used_on_it() -> None:
    stack = over_sure(2)
    group = stack.folds.group.copy()
    group[-20:] = group[:20]  # prompts of the first source, in the third
    stack = replace(stack, folds=replace(stack.folds, group=group))
    label = stack.folds.label.copy()
    label[:300] = (label[:300] + 1) % 3
    label[-20:] = (label[-20:] + 1) % 3
    other = replace(stack, folds=replace(stack.folds, label=label))
    first = stack.folds.fold == 0
    for kind in KINDS.values():
        pair = [cross_calibrate(kind, each.probabilities[0], each.folds)[first] for each in (stack, other)]
        np.testing.assert_array_equal(*pair)
    pair = [cross_fit([SoftVote()], each, [*KINDS.values()])["soft_vote+sources"][first] for each in (stack, other)]
    np.testing.assert_array_equal(*pair)


def test_two_sources_with_all_prompts_leave_nothing_to_choose_by() -> None:
    stack = over_sure()
    group = stack.folds.group.copy()
    group[500:] = group[:100]  # the third source asks what the first does
    stack = replace(stack, folds=replace(stack.folds, group=group))
    results, nested = evaluate([SoftVote()], stack)
    assert nested is None
    assert len(results) == 1
