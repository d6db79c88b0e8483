"""Progress: all items come through, and a bar on a terminal or lines of the log say how many were done."""

import io
import logging
import sys

import pytest

from prefens.core import progress
from prefens.core.progress import token_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("items", [[3, 1, 2], iter([3, 1, 2])], ids=["list", "iterator"])
def test_a_bar_on_a_terminal_and_lines_elsewhere(
    items: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", -1.0)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO, progress.__name__):
        assert [*progress.progress(items, "counting")] == [3, 1, 2]
    total = 3 if isinstance(items, list) else "?"
    assert [record.getMessage() for record in caplog.records] == [f"counting: {n} of {total}" for n in (1, 2, 3)]
    caplog.clear()
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with caplog.at_level(logging.INFO, progress.__name__):
        assert [*progress.progress([3, 1, 2], "counting")] == [3, 1, 2]
        assert [*token_progress("ab", "reading", [2000, 3000], 1000)] == ["a", "b"]
    assert "counting:   0%" in terminal.getvalue()
    assert "reading:  17%" in terminal.getvalue()  # of 6,000 tokens, with those of before
    assert caplog.text == ""


def test_one_bar_at_a_time_and_none_for_a_single_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert [(one, two) for one in progress.progress([1], "single") for two in progress.progress("ab", "inner")]
    assert [(one, two) for one in progress.progress([1, 2], "outer") for two in progress.progress("ab", "nested")]
    assert "single" not in terminal.getvalue()
    assert "nested" not in terminal.getvalue()
    assert "inner:" in terminal.getvalue()
    assert "outer:" in terminal.getvalue()
    assert "\n" not in terminal.getvalue()
