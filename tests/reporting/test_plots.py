"""Figures are drawn once, with or without their finding, which is never cut."""

from pathlib import Path

import numpy as np
import pytest

from prefens.reporting.plots import calibration_plot, heading, new_axes, save_plot, to_png
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


def test_a_figure_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plot = Plot("name", "a finding", new_axes(2.0, 1.0)[0])
    path = save_plot(plot, tmp_path / "figures")
    whole = path.read_bytes()
    assert whole == to_png(plot)

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as stream:
            stream.write(data[:9])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        save_plot(plot, tmp_path / "figures")
    assert path.read_bytes() == whole
    assert [*path.parent.iterdir()] == [path]
