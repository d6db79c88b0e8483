"""The token cache: the same tokens as fresh ones, whoever made them, and never from a damaged file."""

import json
import logging
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest

from prefens.core.hashing import file_digest
from prefens.core.types import Pairs
from prefens.data.text import token_cache
from prefens.data.text.settings import TextSettings
from prefens.data.text.token_cache import cached_tokens
from prefens.data.text.tokens import PairTokens, tokenize_pairs
from prefens.members.nn.pretrained import load_tokenizer
from tests.helpers.commands import forks
from tests.helpers.examples import make_pairs

SETTINGS = TextSettings(max_length=32)


@pytest.fixture(autouse=True)
def small_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_cache, "PAIRS_AT_ONCE", 25)


def fresh(directory: Path, pairs: Pairs) -> PairTokens:
    return tokenize_pairs(load_tokenizer(directory), pairs, SETTINGS, "", "")


def never(pairs: Pairs) -> PairTokens:
    raise AssertionError(f"{len(pairs)} pairs were tokenized again")


def assert_same(one: PairTokens, other: PairTokens) -> None:
    for left, right in ((one.a, other.a), (one.b, other.b)):
        for name in ("tokens", "starts", "firsts"):
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
            assert getattr(left, name).dtype == getattr(right, name).dtype
    assert one.audit == other.audit


@pytest.mark.parametrize("count", [0, 1, 25, 60])
def test_cached_tokens_are_the_fresh_ones(tiny_bert: Path, tmp_path: Path, count: int) -> None:
    pairs = make_pairs(60).take(np.arange(count))
    expected = fresh(tiny_bert, pairs)
    assert_same(cached_tokens(None, "s", pairs, lambda part: fresh(tiny_bert, part)), expected)
    assert_same(cached_tokens(tmp_path, "s", pairs, lambda part: fresh(tiny_bert, part)), expected)
    if count:
        assert_same(cached_tokens(tmp_path, "s", pairs, never), expected)


def test_other_texts_orders_and_settings_have_files_of_their_own(tiny_bert: Path, tmp_path: Path) -> None:
    pairs = make_pairs(30)
    for signature, part in (
        ("s", pairs), ("t", pairs), ("s", pairs.swapped()), ("s", pairs.take(np.arange(30)[::-1])),
    ):  # fmt: skip
        assert_same(
            cached_tokens(tmp_path, signature, part, lambda stretch: fresh(tiny_bert, stretch)), fresh(tiny_bert, part)
        )
    assert len([path for path in (tmp_path / "tokens").iterdir() if path.is_dir()]) == 4
    relabelled = Pairs(pairs.ids, pairs.prompt, pairs.response_a, pairs.response_b)
    assert_same(cached_tokens(tmp_path, "s", relabelled, never), fresh(tiny_bert, pairs))


def tokenize_together(encoder: Path, folder: Path, start: Barrier, tokenized: SimpleQueue[int]) -> None:
    """Ask for tokens at the same moment as the other process, and tell how often they had to be made."""
    counts = []
    tokenizer = load_tokenizer(encoder)

    def tokenize(pairs: Pairs) -> PairTokens:
        counts.append(len(pairs))
        return tokenize_pairs(tokenizer, pairs, SETTINGS, "", "")

    start.wait(60)
    cached_tokens(folder, "s", make_pairs(60), tokenize)
    tokenized.put(len(counts))


def test_two_processes_at_once_tokenize_once(tiny_bert: Path, tmp_path: Path) -> None:
    start, tokenized = forks.Barrier(2), forks.SimpleQueue()
    both = [forks.Process(target=tokenize_together, args=(tiny_bert, tmp_path, start, tokenized)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0]
    assert sorted(tokenized.get() for _ in both) == [0, 1]
    assert_same(cached_tokens(tmp_path, "s", make_pairs(60), never), fresh(tiny_bert, make_pairs(60)))


@pytest.mark.parametrize("name", ["a-tokens.npy", "b-starts.npy", "content.json"])
@pytest.mark.parametrize("harm", ["cut", "flipped", "deleted"])
def test_a_damaged_file_is_named_and_computed_again(
    tiny_bert: Path, tmp_path: Path, name: str, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = make_pairs(30)
    cached_tokens(tmp_path, "s", pairs, lambda part: fresh(tiny_bert, part))
    (path,) = (tmp_path / "tokens").glob(f"*/{name}")
    content = path.read_bytes()
    if harm == "deleted":
        path.unlink()
    else:
        path.write_bytes(content[:-3] if harm == "cut" else content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    with caplog.at_level(logging.WARNING):
        again = cached_tokens(tmp_path, "s", pairs, lambda part: fresh(tiny_bert, part))
    if (name, harm) != ("content.json", "flipped"):  # a changed space changes nothing
        assert name in caplog.text
    assert_same(again, fresh(tiny_bert, pairs))
    assert_same(cached_tokens(tmp_path, "s", pairs, never), fresh(tiny_bert, pairs))


@pytest.mark.parametrize("how", ["no files", "no audit", "other audit", "uneven audit", "a list", "an object array"])
def test_a_cache_that_agrees_with_itself_and_holds_no_tokens_is_computed_again(
    tiny_bert: Path, tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = make_pairs(30)
    cached_tokens(tmp_path, "s", pairs, lambda part: fresh(tiny_bert, part))
    (path,) = (tmp_path / "tokens").glob("*/content.json")
    content = json.loads(path.read_text())
    if how == "an object array":
        np.save(path.with_name("a-starts.npy"), np.array([{}]), allow_pickle=True)
        content["files"]["a-starts.npy"] = file_digest(path.with_name("a-starts.npy"))
    changes = {
        "no files": content | {"files": {}},
        "no audit": {"files": content["files"]},
        "other audit": content | {"audit": {"x": 1}},
        "uneven audit": content | {"audit": {"seen": {"prompt": "1"}, "kept": {}}},
        "a list": [],
    }
    path.write_text(json.dumps(changes.get(how, content)))
    with caplog.at_level(logging.WARNING):
        again = cached_tokens(tmp_path, "s", pairs, lambda part: fresh(tiny_bert, part))
    assert "cached tokens are damaged" in caplog.text
    assert_same(again, fresh(tiny_bert, pairs))
    assert_same(cached_tokens(tmp_path, "s", pairs, never), fresh(tiny_bert, pairs))


def test_a_full_disk_costs_the_files_and_not_the_tokens(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    tokens = cached_tokens(tmp_path, "s", make_pairs(30), lambda part: fresh(tiny_bert, part))
    assert_same(tokens, fresh(tiny_bert, make_pairs(30)))
    assert "No space left" in caplog.text
    assert not [path for path in (tmp_path / "tokens").iterdir() if path.is_dir()]
