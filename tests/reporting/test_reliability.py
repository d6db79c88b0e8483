"""The section on calibration says whether a calibration helps."""

from prefens.reporting.reliability import calibration_section
from tests.helpers.examples import random_stack
from tests.helpers.pages import check_section

STACK = random_stack(members=3, rows=120, seed=0)


def test_calibration_says_whether_it_helps() -> None:
    sharp = STACK.probabilities[0]
    flat = (sharp + 1.0) / (sharp + 1.0).sum(axis=1, keepdims=True)
    label = STACK.folds.label
    other = {"m1": {"as it is": sharp, "temperature": flat}}
    section = calibration_section("m0", label, {"as it is": flat, "temperature": sharp}, other)
    check_section(section)
    assert "temperature scaling brings log loss" in section.summary[0]
    assert [plot.name for plot in section.plots] == ["reliability", "reliability-temperature", "confidence"]
    assert [row["name"] for row in section.tables[0].rows] == ["m0", "m1"]
    useless = calibration_section("m0", label, {"as it is": sharp, "temperature": flat}, {})
    assert "no calibration lowers its log loss" in useless.summary[0]
    assert [plot.name for plot in useless.plots] == ["reliability", "reliability-temperature", "confidence"]


def test_without_calibrations_the_prediction_itself_is_drawn() -> None:
    section = calibration_section("m0", STACK.folds.label, {"as it is": STACK.probabilities[0]}, {})
    assert [plot.name for plot in section.plots] == ["reliability", "confidence"]
