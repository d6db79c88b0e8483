"""The figures of the leaderboard."""

import numpy as np

from prefens.reporting.leaderboard.plots import CURVE_POINTS, curves_plot


def test_curves_of_any_length_are_averaged() -> None:
    assert curves_plot({"tfidf": []}, 1.1) is None
    plot = curves_plot({"a": [np.linspace(1.1, 0.9, 7), np.linspace(1.1, 0.9, 4000)], "b": [[1.0]]}, 1.09)
    assert plot is not None
    drawn = {line.get_label(): line.get_ydata() for line in plot.figure.axes[0].get_lines()}
    assert all(len(drawn[name]) == CURVE_POINTS for name in "ab")
    assert np.all(np.diff(drawn["a"]) <= 1e-9)
    assert "0.9" in plot.finding
