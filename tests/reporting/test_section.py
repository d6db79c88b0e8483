"""Sections of the report: what they say follows from the scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prefens.core.metrics import row_losses
from prefens.core.types import Pairs
from prefens.ensemble.blend import Blend, make_blend
from prefens.ensemble.convex_weights import LogLossWeights
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.soft_vote import SoftVote
from prefens.reporting.error_analysis import disagreement, errors_section, shortened
from prefens.reporting.folds_section import rows_section
from prefens.reporting.leaderboard.plots import POINTS, curves_plot
from prefens.reporting.leaderboard.section import cost, leaderboard_section
from prefens.reporting.reliability import calibration_section
from prefens.reporting.report import blend_report
from tests.helpers.examples import column, make_stack, random_stack, run_result

STACK = random_stack(members=3, rows=120, seed=0)
RUN = run_result(seconds=6.0, train_rows=96, metadata={"parameters": 7}, curves={"train_loss": [1.1, 1.0, 0.9]})
RUNS = {"m0": [RUN] * 5, "m1": [replace(RUN, metadata={}, curves={})] * 5}


@pytest.fixture(scope="module")
def blend() -> Blend:
    made = make_blend(BlendInputs(STACK.folds, STACK, None, None), [SoftVote(), LogLossWeights()], resamples=20)
    return made.with_alarms(["m2 is too good"])


def test_the_leaderboard_shows_what_is_known_and_leaves_the_rest_blank(blend: Blend) -> None:
    section = leaderboard_section(blend, RUNS, {"m0": 0.0})
    rows = {row["name"]: row for row in section.tables[0].rows}
    assert {"m0", "m1", "m2", "soft_vote", "log_loss", "class prior"} <= {*rows}
    assert [rows[name]["seconds"] for name in ("m0", "m1", "m2")] == [30.0, 30.0, None]
    assert [rows[name]["parameters"] for name in ("m0", "m1", "m2")] == [7, None, None]
    assert [rows[name]["pairs/s"] for name in ("m0", "m2")] == [16.0, None]
    assert [rows[name]["swap gap"] for name in ("m0", "m1", "m2")] == [0.0, 0, None]
    assert rows["soft_vote"]["swap gap"] is None  # one of its members was made elsewhere
    assert "to floor" not in rows["m0"]
    assert rows[blend.best.method]["_kind"] == "best"
    assert section.summary[0].startswith(f"{blend.best.method} predicts best")
    assert section.summary[-1] == "Suspicious: m2 is too good"
    assert [plot.name for plot in section.plots] == ["folds", "curves", "weights", "forward", "correlation"]


def test_with_two_folds_no_score_is_called_the_chosen_ones(tmp_path: Path) -> None:
    halves = make_stack(STACK.probabilities, STACK.folds.label, 2)
    found = make_blend(BlendInputs(halves.folds, halves, None, None), [SoftVote(), LogLossWeights()], resamples=20)
    report = blend_report(found, None, {}, {}, tmp_path, texts=0, resamples=20)
    assert "Honest log loss not known" in report.card
    assert report.page.tiles[0].value == "not known"


def test_cost_adds_up_over_folds() -> None:
    assert cost([RUN, RUN]) == {"seconds": 12.0, "parameters": 7, "pairs/s": 16.0}
    assert set(cost([]).values()) == {None}


def test_curves_of_any_length_are_averaged() -> None:
    assert curves_plot({"tfidf": []}, 1.1) is None
    plot = curves_plot({"a": [np.linspace(1.1, 0.9, 7), np.linspace(1.1, 0.9, 4000)], "b": [[1.0]]}, 1.09)
    assert plot is not None
    drawn = {line.get_label(): line.get_ydata() for line in plot.figure.axes[0].get_lines()}
    assert all(len(drawn[name]) == POINTS for name in "ab")
    assert np.all(np.diff(drawn["a"]) <= 1e-9)
    assert "0.9" in plot.finding


def test_calibration_says_whether_it_helps() -> None:
    own = STACK.probabilities[0]
    flat = (own + 1.0) / (own + 1.0).sum(axis=1, keepdims=True)
    label = STACK.folds.label
    section = calibration_section("m0", label, {"as it is": flat, "temperature": own}, {"m1": {"as it is": own}})
    assert "temperature scaling brings log loss" in section.summary[0]
    assert [plot.name for plot in section.plots] == ["reliability", "reliability-temperature", "confidence"]
    useless = calibration_section("m0", label, {"as it is": own, "temperature": flat}, {})
    assert "no calibration lowers its log loss" in useless.summary[0]
    assert len({tuple(row) for row in section.tables[0].rows}) == 2  # the second has no calibrated form


def pairs_of(texts: list[str]) -> Pairs:
    turns = column([(text, "second turn") for text in texts])
    return Pairs(STACK.folds.ids, turns, turns, turns, model_a=column(["gpt"] * 120), model_b=column([""] * 120))


def test_errors_are_the_worst_rows_with_their_texts() -> None:
    probabilities = STACK.probabilities[0]
    losses = row_losses(probabilities, STACK.folds.label)
    pairs = pairs_of([f"<script>{id_}</script>" for id_ in STACK.folds.ids])
    section = errors_section(STACK, "m0", probabilities, pairs.take(np.arange(120)[::-1]), shown=4)
    worst = STACK.folds.ids[np.argsort(-losses)[:4]]
    assert [row["id"] for row in section.tables[0].rows] == [*worst]
    assert len(section.texts) == 8
    assert f"<script>{worst[0]}</script>" in section.texts[0].parts["prompt"]
    assert "second turn" in section.texts[0].parts["prompt"]
    assert any(name.startswith("response A \N{MIDDLE DOT} gpt") for name in section.texts[0].parts)
    apart = [row["disagreement"] for row in section.tables[1].rows]
    assert apart == sorted(apart, reverse=True)
    alone = replace(STACK, members=STACK.members[:1], probabilities=STACK.probabilities[:1])
    assert len(errors_section(alone, "m0", probabilities, pairs, shown=200).texts) == 120


def test_disagreement_is_zero_for_copies_and_at_most_ln_3() -> None:
    same = np.stack([STACK.probabilities[0]] * 3)
    np.testing.assert_allclose(disagreement(same), 0.0, atol=1e-12)
    certain = np.eye(3)[:, None, :]
    np.testing.assert_allclose(disagreement(certain), np.log(3.0))


def test_long_texts_lose_their_middle_and_say_how_much() -> None:
    text = "".join(chr(97 + place % 26) for place in range(10_000))
    cut = shortened(text, 300)
    assert cut.startswith(text[:200])
    assert cut.endswith(text[-100:])
    assert "9,700 characters left out" in cut
    assert shortened(text, 10_000) == text


def test_rows_are_counted_by_fold_and_plain_folds_are_called_leaky() -> None:
    folds = STACK.folds
    section = rows_section(folds.label, folds.group, folds.data_digest, folds)
    assert [row["rows"] for row in section.tables[0].rows] == [24] * 5
    assert "share a fold" in section.summary[1]
    plain = replace(folds, settings={**folds.settings, "scheme": "stratified"})
    assert "flatters" in rows_section(folds.label, folds.group, "x", plain).summary[1]
    assert rows_section(folds.label, folds.group, "x").tables[0].rows[0]["rows"] == 120
