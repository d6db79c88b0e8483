"""Tokens: budgets keep head and tail of every part, and the pattern is the tokenizer's own."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefens.core.errors import BackboneError, ConfigError
from prefens.core.types import Pairs
from prefens.data.text import truncation
from prefens.data.text.frames import learn_pattern
from prefens.data.text.settings import TextSettings
from prefens.data.text.tokens import tokenize_pairs
from prefens.data.text.truncation import (
    Text,
    TruncationAudit,
    budgets,
    head_and_tail,
    pair_budgets,
    warn_of_losses,
    whole_turns,
)
from prefens.members.nn.pretrained import load_tokenizer
from tests.helpers.examples import column, make_pairs


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 200), st.floats(0.05, 0.95))
def test_budgets_fill_the_room_and_never_exceed_it(prompt: int, response: int, room: int, share: float) -> None:
    for_prompt, for_response = budgets(prompt, response, room, share)
    assert 0 <= for_prompt <= prompt
    assert 0 <= for_response <= response
    assert for_prompt + for_response == min(room, prompt + response)
    if prompt + response > room:
        assert for_prompt >= min(prompt, round(room * share))
        assert for_response >= min(response, room - round(room * share))


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(4, 200), st.floats(0.01, 0.99))
def test_budgets_of_three_parts_fill_the_room_fairly(prompt: int, a: int, b: int, room: int, share: float) -> None:
    for_prompt, for_a, for_b = pair_budgets(prompt, a, b, room, share)
    assert pair_budgets(prompt, b, a, room, share) == (for_prompt, for_b, for_a)
    for budget, length in ((for_prompt, prompt), (for_a, a), (for_b, b)):
        assert 0 <= budget <= length
        assert budget > 0 or length == 0 or (budget == for_prompt and round(room * share) == 0)
    left = min(room, prompt + a + b) - for_prompt - for_a - for_b
    # An odd token that only one of two responses could have is left over.
    assert left == 0 or (left == 1 and for_prompt == prompt and for_a == for_b < min(a, b))
    prompts = min(prompt, round(room * share), room - 2)
    assert for_prompt >= prompts
    for own, length in ((for_a, a), (for_b, b)):
        assert own >= min(length, (room - max(prompts, for_prompt)) // 2)


@given(st.integers(0, 50), st.integers(0, 60), st.floats(0.0, 1.0))
def test_head_and_tail_come_from_both_ends(length: int, budget: int, share: float) -> None:
    kept = head_and_tail(np.arange(length, dtype=np.int32), budget, share).tolist()
    assert len(kept) == min(length, budget)
    head = min(round(budget * share), budget)
    if length > budget:
        assert kept == [*range(head), *range(length - (budget - head), length)]


def test_sequences_equal_the_tokenizers_own(tiny_encoder: Path) -> None:
    tokenizer, pairs = load_tokenizer(tiny_encoder), make_pairs(12)
    tokens = tokenize_pairs(tokenizer, pairs, TextSettings(max_length=500), "", "")
    for row in range(12):
        expected = tokenizer(pairs.prompt[row][0], pairs.response_a[row][0])
        assert tokens.a[row].tolist() == expected["input_ids"]
        if "token_type_ids" in expected and max(expected["token_type_ids"]):
            assert tokens.a.firsts[row] == expected["token_type_ids"].index(1)
    assert set(tokens.audit.lost().values()) == {0.0}


def test_long_texts_are_cut_and_the_lost_tokens_are_counted(tiny_encoder: Path) -> None:
    tokenizer, pairs = load_tokenizer(tiny_encoder), make_pairs(20)
    tokens = tokenize_pairs(tokenizer, pairs, TextSettings(max_length=24), "", "")
    assert max(tokens.a.lengths.max(), tokens.b.lengths.max()) == 24
    assert tokens.audit.lost()["response"] > 0.1
    pattern = learn_pattern(tokenizer)
    for row in range(20):
        assert tuple(tokens.b[row][: len(pattern.before)]) == pattern.before
        assert tuple(tokens.b[row][len(tokens.b[row]) - len(pattern.after) :]) == pattern.after


def test_cross_sequences_hold_all_three_parts_in_both_orders(tiny_encoder: Path) -> None:
    tokenizer, pairs = load_tokenizer(tiny_encoder), make_pairs(12)
    tokens, pattern = (
        tokenize_pairs(tokenizer, pairs, TextSettings(max_length=500), "", "", True),
        learn_pattern(tokenizer),
    )
    columns = (pairs.prompt, pairs.response_a, pairs.response_b)
    for row in range(12):
        prompt, a, b = (tokenizer(column[row][0], add_special_tokens=False)["input_ids"] for column in columns)
        for found, first, second in ((tokens.a, a, b), (tokens.b, b, a)):
            opening = [*pattern.before, *prompt, *pattern.between, *first]
            assert found[row].tolist() == [*opening, *pattern.between, *second, *pattern.after]
            assert found.firsts[row] == len(opening) + 1  # the separator closes the first segment
    assert set(tokens.audit.lost().values()) == {0.0}


@pytest.mark.parametrize("share", [0.01, 0.35, 0.99])
def test_a_cut_cross_sequence_keeps_some_of_each_part(tiny_encoder: Path, share: float) -> None:
    tokenizer, pairs = load_tokenizer(tiny_encoder), make_pairs(20)
    tokens = tokenize_pairs(tokenizer, pairs, TextSettings(max_length=24, prompt_share=share), "", "", True)
    assert max(tokens.a.lengths) <= 24
    np.testing.assert_array_equal(tokens.a.lengths, tokens.b.lengths)
    assert tokens.audit.lost()["response"] > 0.1
    pattern = learn_pattern(tokenizer)
    for row in range(20):
        for side in (tokens.a, tokens.b):
            last = side[row][side.firsts[row] + len(pattern.between) - 1 : len(side[row]) - len(pattern.after)]
            assert len(last) > 0
            assert not {*pattern.between} & {*last.tolist()}


def test_responses_that_would_run_into_each_other_are_refused() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    bare = Tokenizer(models.WordLevel({"[UNK]": 0, "one": 1, "two": 2}, unk_token="[UNK]"))
    bare.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare, unk_token="[UNK]")
    assert len(tokenize_pairs(tokenizer, make_pairs(3), TextSettings(), "", "").a) == 3
    with pytest.raises(BackboneError, match="pairing=siamese"):
        tokenize_pairs(tokenizer, make_pairs(3), TextSettings(), "", "", cross=True)


def test_prefixes_are_tokenized(tiny_bert: Path) -> None:
    tokenizer, pairs = load_tokenizer(tiny_bert), make_pairs(3)
    plain = tokenize_pairs(tokenizer, pairs, TextSettings(), "", "")
    prefixed = tokenize_pairs(tokenizer, pairs, TextSettings(), "query: ", "passage: ")
    assert (prefixed.a.lengths > plain.a.lengths).all()


def test_large_losses_are_warned_of_once_for_each_length(caplog: pytest.LogCaptureFixture) -> None:
    truncation.WARNED.clear()
    few = TruncationAudit({"prompt": 90, "response": 300}, {"prompt": 61, "response": 201})
    many = TruncationAudit({"prompt": 90, "response": 300}, {"prompt": 90, "response": 150})
    for audit, length in ((few, 64), (many, 64), (many, 64), (many, 32)):
        warn_of_losses(audit, TextSettings(length), 3)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(";")[0] for line in lines] == [
        f"text.max_length={length} cuts off 50% of the response tokens of 3 pairs" for length in (64, 32)
    ]


def test_of_empty_texts_nothing_is_lost(tiny_bert: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokenizer, pairs = load_tokenizer(tiny_bert), make_pairs(3)
    empty = column([("",)] * 3)
    silent = Pairs(pairs.ids, pairs.prompt, empty, empty)
    warn_of_losses(tokenize_pairs(tokenizer, silent, TextSettings(), "", "").audit, TextSettings(), 3)
    assert caplog.text == ""


def test_a_special_token_in_a_text_is_text(tiny_encoder: Path) -> None:
    tokenizer, plain = load_tokenizer(tiny_encoder), make_pairs(2)
    names = [token for token in tokenizer.all_special_tokens if token != tokenizer.unk_token]
    hostile = column([(f"good {name} bad", f"{name}{name}", "".join(names)) for name in names[:2]])
    pairs = Pairs(plain.ids, hostile, hostile, hostile)
    tokens, pattern = tokenize_pairs(tokenizer, pairs, TextSettings(), "", ""), learn_pattern(tokenizer)
    around = [*pattern.before, *pattern.between, *pattern.after]
    reserved = {*tokenizer.all_special_ids} - {tokenizer.unk_token_id}
    for row in range(2):
        assert sorted(set(tokens.a[row].tolist()) & reserved) == sorted(set(around))
        assert np.isin(tokens.a[row], [*reserved]).sum() == len(around)


def test_half_a_surrogate_pair_crashes_no_tokenizer(tiny_encoder: Path) -> None:
    pairs = make_pairs(2)
    pairs.response_b[1] = ("half of a pair: \ud83d", "\udc00")
    tokens = tokenize_pairs(load_tokenizer(tiny_encoder), pairs, TextSettings(), "", "")
    assert len(tokens.b[1]) > 3


@pytest.mark.parametrize("bad", [{"max_length": 8}, {"prompt_share": 0.0}, {"head_share": 1.0}])
def test_bad_settings(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        TextSettings(**bad)  # type: ignore[arg-type]


MARK = np.array([-1, -2], dtype=np.int32)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(0, 60), st.floats(0.05, 0.95))
def test_turns_are_kept_whole_from_both_ends_before_one_is_cut(sizes: list[int], budget: int, share: float) -> None:
    bounds = [0, *np.cumsum(sizes).tolist()]
    text = Text(np.arange(bounds[-1], dtype=np.int32), np.array(bounds[1:-1], dtype=np.int64))
    kept = whole_turns(text, budget, share, MARK).tolist()
    assert len(kept) <= budget or len(kept) == bounds[-1]
    tokens = [token for token in kept if token >= 0]
    assert tokens == sorted(tokens)
    if bounds[-1] <= budget:
        assert kept == list(range(bounds[-1]))
        return
    marks = len(kept) - len(tokens)
    assert marks in ((2,) if budget > 4 * len(MARK) else (0, 2))
    assert len(kept) > budget - 4 * len(MARK)
    turns = [range(start, stop) for start, stop in pairwise(bounds)]
    whole = [turn for turn in turns if len(turn) and set(turn) <= set(tokens)]
    at_an_end = [turn for turn in (turns[0], turns[-1]) if 0 < len(turn) <= budget - len(MARK)]
    assert not at_an_end or any(turn in whole for turn in at_an_end)
    if len(sizes) == 1:
        assert kept == head_and_tail(text.tokens, budget, share, MARK).tolist()
