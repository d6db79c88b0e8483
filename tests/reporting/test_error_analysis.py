"""The section on errors shows the worst rows with their texts."""

from dataclasses import replace

import numpy as np

from prefens.core.metrics import row_losses
from prefens.core.types import Pairs
from prefens.reporting.error_analysis import disagreement, errors_section, shorten
from tests.helpers.examples import column, random_stack

STACK = random_stack(members=3, rows=120, seed=0)


def pairs_of(texts: list[str]) -> Pairs:
    turns = column([(text, "second turn") for text in texts])
    return Pairs(STACK.folds.ids, turns, turns, turns, model_a=column(["gpt"] * 120), model_b=column([""] * 120))


def test_errors_are_the_worst_rows_with_their_texts() -> None:
    probabilities = STACK.probabilities[0]
    losses = row_losses(probabilities, STACK.folds.label)
    pairs = pairs_of([f"<script>{id_}</script>" for id_ in STACK.folds.ids])
    section = errors_section(STACK, "m0", probabilities, pairs.take(np.arange(120)[::-1]), count=4)
    worst = STACK.folds.ids[np.argsort(-losses)[:4]]
    assert [row["id"] for row in section.tables[0].rows] == [*worst]
    assert len(section.texts) == 8
    assert f"<script>{worst[0]}</script>" in section.texts[0].parts["prompt"]
    assert "second turn" in section.texts[0].parts["prompt"]
    assert any(name.startswith("response A \N{MIDDLE DOT} gpt") for name in section.texts[0].parts)
    disagreements = [row["disagreement"] for row in section.tables[1].rows]
    assert disagreements == sorted(disagreements, reverse=True)
    alone = replace(STACK, members=STACK.members[:1], probabilities=STACK.probabilities[:1])
    assert len(errors_section(alone, "m0", probabilities, pairs, count=200).texts) == 120


def test_disagreement_is_zero_for_copies_and_at_most_ln_3() -> None:
    same = np.stack([STACK.probabilities[0]] * 3)
    np.testing.assert_allclose(disagreement(same), 0.0, atol=1e-12)
    certain = np.eye(3)[:, None, :]
    np.testing.assert_allclose(disagreement(certain), np.log(3.0))


def test_long_texts_lose_their_middle_and_say_how_much() -> None:
    text = "".join(chr(97 + index % 26) for index in range(10_000))
    short = shorten(text, 300)
    assert short.startswith(text[:200])
    assert short.endswith(text[-100:])
    assert "9,700 characters left out" in short
    assert shorten(text, 10_000) == text
