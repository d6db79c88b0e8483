"""Figures are drawn once, with or without their finding, which is never cut."""

import numpy as np

from prefens.reporting.plots import calibration_plot, heading, new_axes, to_png
from prefens.reporting.section import Plot


def test_the_same_figure_is_drawn_with_and_without_its_finding() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 60)
    plot = calibration_plot(probabilities, np.arange(60).astype(np.int8) % 3, "x")
    bare, titled, again = to_png(plot, titled=False), to_png(plot), to_png(plot, titled=False)
    assert bare == again != titled


def test_a_long_finding_is_not_cut() -> None:
    for words in (3, 20, 60):
        figure = heading(Plot("long", "M wide words " * words, new_axes(3.0, 2.0)[0])).figure
        box = figure.texts[0].get_window_extent()
        assert box.x0 >= 0 <= box.y0
        assert box.x1 <= figure.bbox.width
        assert box.y1 <= figure.bbox.height
