"""The report says what is not known, too."""

from pathlib import Path

from prefens.ensemble.blend import make_blend
from prefens.ensemble.convex_weights import LogLossWeights
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.soft_vote import SoftVote
from prefens.reporting.report import blend_report
from tests.helpers.examples import make_stack, random_stack


def test_with_two_folds_no_score_is_called_that_of_the_best_method(tmp_path: Path) -> None:
    stack = random_stack(members=3, rows=120, seed=0)
    halves = make_stack(stack.probabilities, stack.folds.label, 2)
    blend = make_blend(BlendInputs(halves.folds, halves, None, None), [SoftVote(), LogLossWeights()], resamples=20)
    report = blend_report(blend, None, {}, {}, [], texts=0, resamples=20)
    assert "Honest log loss not known" in report.card
    assert report.page.tiles[0].value == "not known"
