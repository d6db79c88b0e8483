"""Near duplicates: against the exact share of shingles, whatever the order, the language and the length."""

import numpy as np
import pytest

from prefens.core.types import Ints
from prefens.data import near_duplicates as module
from prefens.data.near_duplicates import near_duplicates
from tests.helpers.examples import column


def clusters(prompts: list[str]) -> Ints:
    return near_duplicates([(prompt,) for prompt in prompts], column(prompts))


def resemblance(one: str, other: str) -> float:
    a, b = (
        {tuple(words[place : place + 3]) for place in range(len(words) - 2)} for words in (one.split(), other.split())
    )
    return len(a & b) / len(a | b)


def edited(count: int) -> list[tuple[str, str]]:
    """Return texts of different lengths, each with one in which some words are replaced."""
    generator = np.random.default_rng(0)
    made = []
    for place in range(count):
        words = generator.integers(0, 2000, size=int(generator.integers(5, 200))).astype(str)
        changed = words.copy()
        changed[generator.random(len(words)) < (place % 10) / 40] = "other"
        made.append((" ".join(words), " ".join(changed)))
    return made


def test_pairs_that_share_most_of_their_words_in_order_are_found_and_others_not() -> None:
    both = edited(300)
    cluster = clusters([text for pair in both for text in pair]).reshape(-1, 2)
    share = np.array([resemblance(*pair) for pair in both])
    together = cluster[:, 0] == cluster[:, 1]
    assert together[share > 0.95].all()
    assert not together[share < 0.6].any()
    assert (share > 0.95).sum() > 30 < (share < 0.6).sum()
    assert len({*cluster[:, 0]}) == len(both)  # texts that have nothing in common


def test_the_order_and_the_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [text for pair in edited(60) for text in pair]
    expected = clusters(texts)
    order = np.random.default_rng(1).permutation(len(texts))
    monkeypatch.setattr(module, "PROMPTS_AT_ONCE", 7)
    shuffled = clusters([texts[place] for place in order])
    same = expected[order][:, None] == expected[order][None]
    assert (same == (shuffled[:, None] == shuffled[None])).all()


def test_one_group_is_one_cluster_and_short_prompts_are_near_none() -> None:
    group = column(["g", "g", "h", "i", "j", "k", "l", "m"])
    prompts = [("a b",), ("unlike",), ("a c",), ("a",), ("",), ("?!",), ("one turn", "two"), ("one turn two now",)]
    cluster = near_duplicates(prompts, group)
    assert cluster[0] == cluster[1]
    assert len({*cluster.tolist()}) == 7


def test_a_language_without_spaces_has_characters_for_words() -> None:
    text = "請寫一個關於一條龍學會在巴黎這座城市裡烤麵包的短篇故事並且讓它有一個快樂的結局"
    first, second, other = clusters([text, text + "吧", text[::-1]])
    assert first == second != other
