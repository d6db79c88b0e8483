"""The section on the leaderboard: what it says follows from the scores."""

from dataclasses import replace

import numpy as np
import pytest

from prefens.ensemble.blend import Blend, make_blend
from prefens.ensemble.convex_weights import LogLossWeights
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.soft_vote import SoftVote
from prefens.reporting.leaderboard.fold_runs import FoldRun
from prefens.reporting.leaderboard.section import leaderboard_section
from tests.helpers.examples import random_stack
from tests.helpers.pages import check_section

RUNS = {"m0": [FoldRun(6.0, 96, 7, [1.1, 1.0, 0.9])] * 5, "m1": [FoldRun(6.0, 96)] * 5}


@pytest.fixture(scope="module")
def blend() -> Blend:
    stack = random_stack(members=3, rows=120, seed=0)
    blend = make_blend(BlendInputs(stack.folds, stack, None, None), [SoftVote(), LogLossWeights()], resamples=20)
    return blend.with_alarms(["m2 is too good"])


def test_the_leaderboard_shows_what_is_known_and_leaves_the_rest_blank(blend: Blend) -> None:
    section = leaderboard_section(blend, RUNS, {"m0": 0.0})
    check_section(section)
    rows = {row["name"]: row for row in section.tables[0].rows}
    assert {"m0", "m1", "m2", "soft_vote", "log_loss", "class prior"} <= {*rows}
    assert [rows[name]["seconds"] for name in ("m0", "m1", "m2")] == [30.0, 30.0, None]
    assert [rows[name]["parameters"] for name in ("m0", "m1", "m2")] == [7, None, None]
    assert [rows[name]["pairs/s"] for name in ("m0", "m2")] == [16.0, None]
    assert [rows[name]["swap gap"] for name in ("m0", "m1", "m2")] == [0.0, 0, None]
    assert rows["soft_vote"]["swap gap"] is None  # one of its members is external
    assert "to floor" not in rows["m0"]
    assert rows[blend.best.method]["_kind"] == "best"
    assert section.summary[0].startswith(f"{blend.best.method} predicts best")
    assert section.summary[-1] == "Suspicious: m2 is too good"
    assert [plot.name for plot in section.plots] == ["folds", "curves", "weights", "forward", "correlation"]


def test_what_is_worse_than_the_class_prior_is_above_it() -> None:
    stack = random_stack(members=1, rows=120, seed=0)
    wrong = np.roll(stack.probabilities, 1, axis=2)  # sure of another outcome
    blend = make_blend(BlendInputs(stack.folds, replace(stack, probabilities=wrong), None, None), [SoftVote()])
    loss, prior = blend.best.honest, next(row.scores.log_loss for row in blend.leaderboard if row.kind == "reference")
    assert loss > prior
    assert f"{loss - prior:.4f} above the class prior" in leaderboard_section(blend, {}, {}).summary[0]
