"""Frames: BOS exactly once, the model's own chat template, and templates that are refused."""

from dataclasses import replace

import numpy as np
import pytest

from prefens.core.errors import BackboneError, ConfigError
from prefens.core.types import Pairs
from prefens.data.text.frames import make_frame
from prefens.data.text.settings import PLAIN, TemplateSettings, TextSettings
from prefens.data.text.tokens import tokenize_pairs
from tests.helpers.decoders import GEMMA, LLAMA, QWEN, TokenizerKind, make_tokenizer
from tests.helpers.examples import column, make_pairs

CHAT = TemplateSettings("{prompt}{response}", "{prompt}\nA: {first}\nB: {second}\nWhich?", chat=True)


@pytest.mark.parametrize("kind", [QWEN, LLAMA, GEMMA], ids=["qwen", "llama", "gemma"])
@pytest.mark.parametrize("template", [PLAIN, CHAT], ids=["plain", "chat"])
@pytest.mark.parametrize("cross", [False, True])
def test_bos_is_there_once_and_the_parts_in_their_frame(
    kind: TokenizerKind, template: TemplateSettings, cross: bool
) -> None:
    tokenizer, pairs = make_tokenizer(kind), make_pairs(4)
    if template.chat and kind.chat is None:
        with pytest.raises(BackboneError, match="without a chat template"):
            make_frame(tokenizer, template, cross)
        return
    settings = TextSettings(max_length=400, template=template)
    tokens = tokenize_pairs(tokenizer, pairs, settings, "", "", cross)
    for row in range(len(pairs)):
        ids = tokens.a[row].tolist()
        if kind.bos is not None:
            assert ids[0] == tokenizer.bos_token_id
            assert ids.count(tokenizer.bos_token_id) == 1
        prompt, a, b = pairs.prompt[row][0], pairs.response_a[row][0], pairs.response_b[row][0]
        text = tokenizer.decode(ids)
        if not template.chat:
            filled = (PLAIN.cross if cross else PLAIN.siamese) or ""
            filled = filled.format(prompt=prompt, response=a, first=a, second=b)
            assert text == (kind.bos or "") + filled + kind.eos
            continue
        messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": a}]
        if cross:
            messages = [{"role": "user", "content": f"{prompt}\nA: {a}\nB: {b}\nWhich?"}]
        assert text == tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=cross)


def test_a_chat_template_that_prints_the_date_prints_the_same_every_day() -> None:
    tokenizer = make_tokenizer(QWEN)
    tokenizer.chat_template = "Today: {{ strftime_now('%d %b %Y') }}\n" + str(QWEN.chat)
    frame = make_frame(tokenizer, CHAT, cross=True)
    assert tokenizer.decode(frame.before) == "Today: 26 Jul 2024\n<|im_start|>user\n"


def test_cut_sequences_fill_the_length_share_it_by_the_budgets_and_say_what_is_cut() -> None:
    tokenizer, pairs = make_tokenizer(LLAMA), make_pairs(20)
    settings = TextSettings(max_length=110, prompt_share=0.2, template=PLAIN)
    doubled = [(turns[0] * 5,) for turns in (*pairs.response_a, *pairs.response_b)]
    pairs = replace(pairs, response_a=column(doubled[:20]), response_b=column(doubled[20:]), base=None, rows=None)
    tokens = tokenize_pairs(tokenizer, pairs, settings, "", "", cross=True)
    assert tokens.a.lengths.max() <= 110
    np.testing.assert_array_equal(tokens.a.lengths, tokens.b.lengths)
    assert tokens.audit.lost()["response"] > 0.3
    texts = [tokenizer.decode(tokens.a[row]) for row in range(20)]
    assert max(text.count(" ... ") for text in texts) == 2  # in both responses
    assert all(text.endswith("The better response:" + LLAMA.eos) for text in texts)


@pytest.mark.parametrize("kind", [QWEN, LLAMA, GEMMA], ids=["qwen", "llama", "gemma"])
@pytest.mark.parametrize("cross", [False, True])
def test_whole_turns_are_kept_before_one_is_cut(kind: TokenizerKind, cross: bool) -> None:
    tokenizer, long = make_tokenizer(kind), "A long turn with \u00e4\u4e2d, which is cut. " * 30
    prompt, a, b = (
        ("First question?", long, "Last question?"),
        ("First.", long, "Last \u4e2d\ud800."),
        ("Left as it is.",),
    )
    pairs = Pairs(column(["x"]), column([prompt]), column([a]), column([b]))
    room = 520 if cross else 420
    tokens = tokenize_pairs(tokenizer, pairs, TextSettings(max_length=room, template=PLAIN), "Q: ", "A: ", cross)
    assert 0 <= room - tokens.a.lengths[0] <= 12
    text = tokenizer.decode(tokens.a[0])
    for start, end in (("Q: First question?", "\n\nLast question?"), ("A: First.", "\n\nLast \u4e2d?.")):
        place = text.index(f"{start}\n\nA long")
        assert " ... " in text[place : text.index(end, place)]
    assert not cross or "A: Left as it is.\n" in text
    assert tokens.audit.lost()["prompt"] > 0.1


def test_a_template_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(ConfigError, match="of which the template takes"):
        tokenize_pairs(make_tokenizer(QWEN), make_pairs(2), TextSettings(max_length=16, template=PLAIN), "", "", True)


def test_a_pairing_without_a_template_is_refused() -> None:
    with pytest.raises(ConfigError, match="pairing=cross"):
        make_frame(make_tokenizer(QWEN), TemplateSettings(siamese="{prompt}{response}"), cross=True)


@pytest.mark.parametrize("bad", [{"siamese": "{response}{prompt}"}, {"cross": "{prompt}{first}"}, {"siamese": ""}])
def test_templates_without_all_parts_in_order_are_refused(bad: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"text\.template"):
        TemplateSettings(**bad)  # type: ignore[arg-type]
