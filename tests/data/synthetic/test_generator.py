"""The laws of the synthetic pairs: they repeat, their labels follow their truth, and the truth shows in the text."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefens.core.errors import ConfigError, DataError
from prefens.core.hashing import digest
from prefens.core.types import SWAP, Outcome, Pairs
from prefens.data import synthetic
from prefens.data.synthetic.answers import MODELS, draw_answer
from prefens.data.synthetic.chats import draw_conversation
from prefens.data.synthetic.draws import Draws
from prefens.data.synthetic.generator import Effects, davidson, floors, generate
from prefens.data.synthetic.texts import load_texts

PINNED = "ca70d0bb1dda0c5da83dcb569289602dd28ebe5a4ad7baade96a0f6c28dcf639"  # of generate(2000, seed=0)


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return generate(20_000, seed=1)


def content(pairs: Pairs) -> list[object]:
    columns = (pairs.ids, pairs.prompt, pairs.response_a, pairs.response_b, pairs.model_a, pairs.model_b, pairs.labels)
    return [column.tolist() for column in columns if column is not None]


def truth(pairs: Pairs) -> np.ndarray:
    assert pairs.truth is not None
    return pairs.truth


def normalized(turns: tuple[str, ...]) -> str:
    return re.sub(r"[\W_]+", " ", " ".join(turns).lower()).strip()


def share_repeated(pairs: Pairs) -> float:
    prompts = [normalized(turns) for turns in pairs.prompt]
    counts = Counter(prompts)
    return sum(counts[prompt] > 1 for prompt in prompts) / len(prompts)


def test_content_and_truth_are_pinned() -> None:
    pairs = generate(2000, seed=0)
    assert digest([*content(pairs), truth(pairs).tolist()]) == PINNED


def test_every_text_is_drawn(pairs: Pairs) -> None:
    """What nothing draws, the pinned digest doesn't cover."""
    chats = "\n".join(
        text for column in (pairs.prompt, pairs.response_a, pairs.response_b) for turns in column for text in turns
    )
    written = chats.lower()
    for path in sorted(Path(synthetic.__file__).parent.glob("*.json")):
        for text in strings(load_texts(path.stem)):
            parts = re.split(r"\{\w+\}", text.lower())
            assert all(part.rstrip(".?! ") in written for part in parts), f"{path.name}: {text}"


def strings(texts: Any) -> Iterator[str]:
    """Yield every text of nested dicts and tuples, without what only names something."""
    if isinstance(texts, str):
        yield texts
    for item in texts.values() if isinstance(texts, dict) else texts if isinstance(texts, tuple) else ():
        yield from strings(item)


def test_fewer_rows_are_a_prefix_of_more_rows() -> None:
    long, short = generate(100, seed=3), generate(50, seed=3)
    assert content(long.take(np.arange(50))) == content(short)
    np.testing.assert_array_equal(truth(long)[:50], truth(short))


def test_seeds_differ_and_their_ids_can_be_stacked() -> None:
    a, b = generate(50, seed=0), generate(50, seed=1)
    assert not set(a.prompt) & set(b.prompt)
    assert len(set(Pairs.concatenate([a, b]).ids)) == 100


def test_effects_leave_the_texts_alone() -> None:
    plain, moved = generate(50, seed=0), generate(50, seed=0, effects=Effects(2.0, -1.0, 0.2))
    assert plain.response_a.tolist() == moved.response_a.tolist()
    assert plain.prompt.tolist() == moved.prompt.tolist()


def test_every_row_has_as_many_turns_in_each_column(pairs: Pairs) -> None:
    turns = [len(prompt) for prompt in pairs.prompt]
    assert turns == [len(a) for a in pairs.response_a] == [len(b) for b in pairs.response_b]
    assert set(turns) == {1, 2, 3}
    assert np.mean(np.array(turns) > 1) == pytest.approx(0.14, abs=0.01)


def test_columns_are_well_formed(pairs: Pairs) -> None:
    assert len(set(pairs.ids)) == len(pairs)
    assert pairs.labels.dtype == np.int8
    assert pairs.model_a is not None
    assert pairs.model_b is not None
    assert all(a != b for a, b in zip(pairs.model_a, pairs.model_b, strict=True))
    answers = [turn for turns in (*pairs.response_a, *pairs.response_b) for turn in turns]
    assert 0 < np.mean([answer == "" for answer in answers]) < 0.01
    words = [len(answer.split()) for answer in answers]
    low, middle, high = np.quantile(words, (0.05, 0.5, 0.99))
    assert low < 20 < 40 < middle < 90 < 250 < high
    assert not any(mark in text for text in answers for mark in "{}")


def test_probabilities_lie_on_the_simplex(pairs: Pairs) -> None:
    assert truth(pairs).shape == (len(pairs), 2, 3)
    assert truth(pairs).min() > 0
    np.testing.assert_allclose(truth(pairs).sum(axis=2), 1, atol=1e-11)


def test_labels_follow_the_truth(pairs: Pairs) -> None:
    p = truth(pairs)[:, 0]
    happened = np.eye(3)[pairs.labels]
    # Within 4 standard errors overall, and in each fifth of the rows by the true probability.
    for outcome in Outcome:
        order = np.argsort(p[:, outcome])
        for rows in (order, *np.array_split(order, 5)):
            error = math.sqrt(np.sum(p[rows, outcome] * (1 - p[rows, outcome]))) / len(rows)
            assert abs(happened[rows, outcome].mean() - p[rows, outcome].mean()) < 4 * error


def test_realized_loss_of_the_truth_is_the_bayes_floor(pairs: Pairs) -> None:
    p, q = truth(pairs)[:, 0], truth(pairs)[:, 1]
    for probabilities, floor in zip((p, q), floors(pairs), strict=True):
        losses = -np.log(probabilities[np.arange(len(pairs)), pairs.labels])
        assert losses.mean() == pytest.approx(floor, abs=4 * losses.std() / math.sqrt(len(pairs)))


def test_shares_and_floors_are_those_of_the_arena(pairs: Pairs) -> None:
    np.testing.assert_allclose(np.bincount(pairs.labels) / len(pairs), (0.36, 0.33, 0.31), atol=0.02)
    assert 0.84 < floors(pairs)[0] < 0.93


def test_symmetric_floor_lies_above_the_bayes_floor(pairs: Pairs) -> None:
    bayes, symmetric = floors(pairs)
    assert bayes < symmetric < bayes + 0.01
    bayes, symmetric = floors(generate(200, seed=0, effects=Effects(position=0.0)))
    assert bayes == symmetric


def test_swapping_exchanges_the_truth() -> None:
    pairs = generate(200, seed=0, effects=Effects(position=0.4))
    mirrored = generate(200, seed=0, effects=Effects(position=-0.4))
    # Shown the other way round, B is the side that gains, so (p + swap(p of the other order)) / 2 is q.
    other_order = truth(mirrored.swapped())[:, 0]
    np.testing.assert_allclose((truth(pairs)[:, 0] + other_order[:, SWAP]) / 2, truth(pairs)[:, 1], atol=1e-12)
    np.testing.assert_allclose(truth(pairs.swapped())[:, 1], truth(pairs)[:, 1][:, SWAP])
    assert floors(pairs.swapped()) == pytest.approx(floors(pairs))


def test_davidson_odds() -> None:
    a, b, tie = davidson(0.7, 1.4)
    assert math.log(a / b) == pytest.approx(0.7)
    assert tie / math.sqrt(a * b) == pytest.approx(1.4)
    assert davidson(-0.7, 1.4) == (b, a, tie)
    assert davidson(5000.0, 1.4) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(("name", "gain"), [("verbosity", None), ("position", 0.5)])
def test_effects_have_their_stated_size(name: str, gain: float | None) -> None:
    before, after = (
        generate(100, seed=0, effects=Effects(**{"verbosity": 0.0, "position": 0.0, name: x})) for x in (0.0, 0.5)
    )
    odds = [np.log(truth(pairs)[:, 0, 0] / truth(pairs)[:, 0, 1]) for pairs in (before, after)]
    words = [
        [sum(len(turn.split()) for turn in turns) for turns in side] for side in (before.response_a, before.response_b)
    ]
    ratio = np.diff(np.log(np.maximum(words[::-1], 1)), axis=0)[0]
    np.testing.assert_allclose(odds[1] - odds[0], 0.5 * ratio if gain is None else gain, atol=1e-6)


def test_quality_is_a_function_of_what_the_text_shows() -> None:
    seen: dict[tuple[str, str], float] = {}
    for number in range(40):
        (task, *_) = draw_conversation(Draws(f"task {number}"))
        for model in MODELS:
            draws = Draws(f"answers of {model.name}")
            for answer in (draw_answer(draws, task, model) for _ in range(40)):
                assert seen.setdefault((task.prompt, answer.text), answer.quality) == answer.quality
    assert len(seen) < 0.99 * 40 * 40 * len(MODELS)  # short texts do recur, so the law above says something


def test_model_names_are_informative(pairs: Pairs) -> None:
    assert pairs.model_a is not None
    best, worst = (pairs.labels[pairs.model_a == model.name] for model in (MODELS[0], MODELS[-1]))
    assert np.mean(best == Outcome.A_WINS) > np.mean(worst == Outcome.A_WINS) + 0.2


@pytest.mark.parametrize(("rows", "low", "high"), [(2_000, 0.14, 0.20), (20_000, 0.16, 0.25)])
def test_share_of_repeated_prompts(pairs: Pairs, rows: int, low: float, high: float) -> None:
    assert low < share_repeated(pairs.take(np.arange(rows))) < high


@pytest.mark.parametrize(
    "wrong", [{"tie": 0.0}, {"tie": -1.0}, {"tie": math.nan}, {"position": math.inf}, {"verbosity": math.nan}]
)
def test_refuses_bad_effects(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Effects(**wrong)


def test_refuses_no_rows_and_pairs_without_truth() -> None:
    with pytest.raises(ConfigError, match="rows=0"):
        generate(0, seed=0)
    without = {name: getattr(generate(1, seed=0), name) for name in ("ids", "prompt", "response_a", "response_b")}
    with pytest.raises(DataError, match="without their truth"):
        floors(Pairs(**without))


def test_draws_are_uniform_enough() -> None:
    draws = Draws("test")
    counts = Counter(draws.between(1, 4) for _ in range(4000))
    assert sorted(counts) == [1, 2, 3, 4]
    assert min(counts.values()) > 850
    heavy = [draws.weighted((("a", 3.0), ("b", 1.0))) == "a" for _ in range(4000)]
    assert np.mean(heavy) == pytest.approx(0.75, abs=0.03)
    assert sorted(draws.shuffled("abcdef")) == list("abcdef")
    assert Counter(next(draws.shuffled("abc")) for _ in range(3000)).most_common()[-1][1] > 900
