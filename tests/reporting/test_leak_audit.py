"""The leak audit finds a leak where there is one, and none where no prompt is met twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from prefens.core.types import Pairs
from prefens.data.folds import FoldSettings, prompt_groups
from prefens.members.style import StyleMember
from prefens.reporting.leak_audit import leak_section, sample_prompts
from tests.helpers.examples import column, make_pairs
from tests.helpers.pages import check_section


def noise(prompts: int, copies: int) -> Pairs:
    """Return pairs whose outcome is a coin's that `copies` rows of the same prompt and responses share."""
    once = make_pairs(prompts, seed=7)
    label = np.random.default_rng(0).integers(0, 2, size=prompts).astype(np.int8)
    once = replace(once, prompt=column([(f"Prompt {row}",) for row in range(prompts)]), label=label)
    pairs = Pairs.concatenate([once] * copies)
    return replace(pairs, ids=column([str(row) for row in range(len(pairs))]))


def test_a_leak_is_found() -> None:
    section = leak_section(noise(60, 4), settings=FoldSettings(k=3), resamples=200)
    check_section(section)
    all_rows = section.tables[0].rows[0]
    assert all_rows["plain less grouped"][2] < -0.02
    assert all_rows["grouped folds"] > 0.6  # ln 2 = 0.69: a coin can be predicted by chance only
    assert "lower" in section.summary[0]
    assert "less than grouped ones" in section.plots[0].finding


def test_without_shared_prompts_nothing_leaks() -> None:
    section = leak_section(
        noise(80, 1), lambda: StyleMember("style", strengths=[0.01]), FoldSettings(k=2), resamples=50
    )
    check_section(section)
    assert section.summary[0].startswith("No prompt is met twice")
    assert section.plots[0].finding.startswith("No leak shows")


def test_whole_prompts_are_drawn() -> None:
    pairs = noise(50, 3)
    sample = sample_prompts(pairs, 30, seed=1)
    _, sizes = np.unique(prompt_groups(sample).astype(str), return_counts=True)
    assert (sizes == 3).all()
    assert 30 <= len(sample) <= 33
    assert sample.base is None
    assert sample_prompts(pairs, 150, seed=1) is pairs
    section = leak_section(pairs, lambda: StyleMember("style", strengths=[0.01]), FoldSettings(k=2), 60, 20)
    assert any(sentence.startswith("Measured on 60 of 150 rows") for sentence in section.summary)
