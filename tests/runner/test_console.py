"""Terminal tables fit a terminal, and name no two members alike."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from prefens.core.types import MemberInfo
from prefens.ensemble.leaderboard import LeaderboardRow, Scores
from prefens.ensemble.results import MemberDiagnosis
from prefens.runner import console
from prefens.runner.console import (
    bundle_table,
    fold_table,
    leaderboard_table,
    member_table,
    prediction_table,
    short_names,
    show,
    show_status,
    trial_table,
)
from prefens.runner.results import FoldResult, MalformedRow, Prediction
from prefens.runner.sweep_status import SplitStatus, SweepStatus

MEMBERS = ["minilm-l6-07b11f5a-s0", "tfidf-0ceb544d-s0", "style-62bb2e37-s0", "style-boosting-cac26368-s0"]
LOWER = {"best member": (-0.0105, -0.017, -0.004), "soft vote": (-0.0031, -0.007, 0.001)}


def score(name: str, kind: str, **others: Any) -> LeaderboardRow:
    return LeaderboardRow(name, kind, Scores(0.95, 0.01, 0.5, 0.1, 0.05, above_symmetric_bayes=0.06), **others)


def leaderboard(**holdout: float) -> list[LeaderboardRow]:
    blends = [score(name, "blend", fitted=0.94, differences=LOWER, **holdout) for name in ("log_loss", "soft_vote")]
    members = [score(name, "member", **holdout) for name in MEMBERS]
    references = [score(name, "reference") for name in ("class prior", "symmetric Bayes floor", "Bayes floor")]
    return [*blends, score("nested selection", "choice", differences=LOWER), *members, *references]


def printed(table: Any, capsys: pytest.CaptureFixture[str]) -> list[str]:
    show(table)
    return capsys.readouterr().out.rstrip().splitlines()


def test_names_are_short_where_that_is_unique() -> None:
    assert list(short_names(MEMBERS).values()) == ["minilm-l6 s0", "tfidf s0", "style s0", "style-boosting s0"]
    same_backbone = ["tfidf-0ceb544d-s0", "tfidf-1ceb544d-s0", "tfidf-0ceb544d-s1", "tfidf-0ceb544d-s1"]
    names = short_names(same_backbone)
    assert names == {name: name for name in same_backbone[:2]} | {"tfidf-0ceb544d-s1": "tfidf s1"}
    assert short_names(["a-0ceb544d-s0", "a s0"]) == {"a-0ceb544d-s0": "a-0ceb544d-s0", "a s0": "a s0"}


@pytest.mark.parametrize(("holdout", "width"), [({}, 90), ({"holdout": 0.94}, 100)])
def test_a_leaderboard_of_four_members_fits(
    holdout: dict[str, float], width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(leaderboard_table(leaderboard(**holdout), "2000 pairs"), capsys)
    assert max(map(len, lines)) <= width
    caption = lines[lines.index(next(line for line in lines if line.startswith("Bayes floor"))) + 1 :]
    assert len(caption) <= 2
    assert any(line.startswith("nested selection ") and "[-0.017,-0.004]" in line for line in lines)


def test_what_a_method_decides_is_told_from_the_likeliest_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    rows = leaderboard()
    assert "decided" not in "\n".join(printed(leaderboard_table(rows, "2000 pairs"), capsys))
    rows[0] = replace(rows[0], decided_accuracy=0.5432)
    lines = printed(leaderboard_table(rows, "2000 pairs"), capsys)
    assert max(map(len, lines)) <= 90
    assert "cross-fitted: log_loss 54.3%." in " ".join(line.strip() for line in lines)


@pytest.mark.parametrize("holdout", [{}, {"holdout": 0.94}])
def test_a_leaderboard_of_calibrated_blends_fits(holdout: dict[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    both = {"temperature": 0.95, "vector": 0.96}
    best = score("class_weights+temperature", "blend", fitted=0.94, differences=LOWER, **holdout)
    rows = [best, *(replace(row, calibrated=both) for row in leaderboard(**holdout) if row.kind in ("blend", "member"))]
    lines = printed(leaderboard_table(rows, "2000 pairs"), capsys)
    assert max(map(len, lines)) <= 100
    assert "+temp." in lines[1]
    assert ("vs best member" in lines[1]) == (not holdout)


@pytest.mark.parametrize("holdout", [{}, {"holdout": 0.94}])
@pytest.mark.parametrize("kinds", [(), ("temperature", "vector"), ("temperature", "vector", "sources")])
@pytest.mark.parametrize("title", ["new source", "same sources"])
def test_a_leaderboard_with_another_split_fits(
    title: str, kinds: tuple[str, ...], holdout: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    calibrated = dict.fromkeys(kinds, 0.95)
    rows = [replace(row, calibrated=calibrated) if row.kind == "blend" else row for row in leaderboard(**holdout)]
    rows = [replace(row, other_split={title: 1.2345}) if row.kind == "member" else row for row in rows]
    lines = printed(leaderboard_table(rows, "2000 pairs"), capsys)
    assert max(map(len, lines)) <= 100
    assert title in lines[1]
    assert sum("1.2345" in line for line in lines) == len(MEMBERS)
    assert any("nothing is fitted on it" in line for line in lines)


def test_tables_of_weights_and_folds_of_four_members_fit(capsys: pytest.CaptureFixture[str]) -> None:
    weights = [
        MemberDiagnosis(name, False, 0.95, 0.25, (0.1, 0.4), 0.007, MEMBERS[-1], 0.97, duplicate=False)
        for name in MEMBERS
    ]
    lines = printed(member_table(weights), capsys)
    assert max(map(len, lines)) <= 90
    assert len(lines) == 1 + 2 + 1 + 4 + 2  # title, two lines of header, rule, members, caption
    runs = [
        FoldResult(name, name, 0, fold, False, log_loss=0.95, accuracy=0.5, seconds=90.0, trained=name != "a")
        for name in [*MEMBERS, "a"]
        for fold in range(5)
    ]
    lines = printed(fold_table(runs), capsys)
    assert max(map(len, lines)) <= 90
    assert lines[-1].endswith("cached")


def test_a_title_is_wider_than_its_table_and_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    run = FoldResult("a", "a", 0, 0, False, log_loss=0.95, accuracy=0.5, seconds=90.0, trained=True)
    title, header, *_ = printed(fold_table([run]), capsys)
    assert title.rstrip() == "Out-of-fold log loss in nats (lower is better; ln 3 = 1.0986)"
    assert header.startswith("member")
    lines = printed(trial_table([]), capsys)
    assert all(len(line) > 60 for line in lines[-2:])


EVIL = "x\x1b]0;PWN\x07\x1b[31m[/b]"


def prediction_of_a_stranger() -> None:
    malformed = (MalformedRow(0, EVIL, EVIL),)
    show(prediction_table(Prediction(np.array([EVIL]), np.full((1, 3), 1 / 3), EVIL, [EVIL], malformed), Path(EVIL)))


def status_of_a_stranger() -> None:
    status = SplitStatus(EVIL, {EVIL: []}, {EVIL: MemberInfo(EVIL, EVIL, 0)}, damage=[EVIL])
    show_status(SweepStatus([status], [[EVIL]]), clear=False)


def runs_of_a_stranger() -> None:
    attached = {"name": "a\x1b[31m", "commit": None, "fingerprint": "f" * 64, "files": {}}
    show(bundle_table({"megabytes": 1, "method": EVIL, "members": [EVIL], "wheels": [], "attach": [attached]}, EVIL))
    show(fold_table([FoldResult(EVIL, EVIL, 0, 0, False, log_loss=0.95, accuracy=0.5, seconds=1.0, trained=True)]))


@pytest.mark.parametrize("display", [prediction_of_a_stranger, status_of_a_stranger, runs_of_a_stranger])
def test_what_a_stranger_named_sends_the_terminal_no_control_characters(
    display: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    display()
    out = capsys.readouterr().out
    assert "PWN\ufffd\ufffd[31m[/b]" in out
    assert out.count("PWN") == out.count("PWN\ufffd\ufffd[31m[/b]")
    assert not [char for char in out if char != "\n" and not char.isprintable()]


def test_colours_reach_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(console, "Console", partial(Console, force_terminal=True, color_system="standard"))
    show(leaderboard_table([score(EVIL, "choice"), score(EVIL, "member")], "2 pairs"))
    out = capsys.readouterr().out
    assert "\x1b[1;32m" in out
    assert "\x1b]0" not in out
