"""Conversations become turns, whatever parts, roles and gaps they have."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefens.data.readers.messages import IS_PROMPT, UnreadableError, messages_of, text_of, turns_of

PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image", "image_url", "audio"])}
) | st.fixed_dictionaries({"type": st.just("text"), "text": st.text() | st.none()})
CONTENTS = st.none() | st.text() | st.lists(PARTS | st.text(), max_size=3)
MESSAGES = st.lists(st.fixed_dictionaries({"role": st.sampled_from([*IS_PROMPT]), "content": CONTENTS}), max_size=6)


def read(*messages: tuple[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    said = [{"role": role, "content": content} for role, content in messages]
    return turns_of(messages_of(said, Counter(), prompt=False))


@given(MESSAGES)
@settings(max_examples=200)
def test_every_text_is_in_a_turn_of_its_side(messages: list[dict[str, Any]]) -> None:
    read_messages = messages_of(messages, Counter(), prompt=False)
    prompt, response = turns_of(read_messages)
    assert len(prompt) == len(response)
    assert bool(prompt) == bool(messages)
    for is_prompt, text in read_messages:
        assert any(text in turn for turn in (prompt if is_prompt else response))


def test_system_messages_belong_to_the_prompt_and_tools_to_the_response() -> None:
    turns = read(
        ("system", "Be brief."), ("user", "2 + 2?"), ("assistant", None), ("tool", "4"), ("assistant", "It is 4."),
        ("user", "Thanks"), ("assistant", "Welcome"),
    )  # fmt: skip
    assert turns == (("Be brief.\n\n2 + 2?", "Thanks"), ("4\n\nIt is 4.", "Welcome"))
    assert read(("user", "a"), ("user", "b")) == (("a\n\nb",), ("",))
    assert read(("assistant", "Hello"), ("user", "Hi")) == (("", "Hi"), ("Hello", ""))


def test_images_are_counted_and_named() -> None:
    counts: Counter[str] = Counter()
    image = {"type": "image", "image": "data:...", "text": None, "mimeType": "image/png"}
    parts = [{"type": "text", "text": "See"}, image, {"type": "image_url", "image_url": {"url": "x"}}]
    assert text_of(parts, counts) == "See\n[image]\n[image]"
    assert counts == {"image read as [image]": 2}
    assert text_of(None, counts) == ""
    assert counts["null text read as empty"] == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([{"role": "user", "content": 7}], "content '7', expected text"),
        ([{"role": "user", "content": [7]}], "a part '7' of a message"),
        ([{"content": "x"}], "role 'None', expected one of user"),
        (["x"], "a message 'x', expected an object"),
        (7, "'7', expected text or a list of messages"),
        (ValueError("cut"), "invalid JSON \\(cut\\)"),
    ],
)
def test_what_is_no_message_is_named(value: Any, message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        messages_of(value, Counter(), prompt=True)


def test_dialogues_in_one_text() -> None:
    text = "\n\nHuman: Hi there\n\nAssistant: Hello\n\nTwo lines\n\nHuman: And?\n\nAssistant: "
    assert messages_of(text, Counter(), True) == [(True, "Hi there"), (False, "Hello\n\nTwo lines"), (True, "And?")]
    assert messages_of("Human rights", Counter(), True) == [(True, "Human rights")]
    assert messages_of([{"from": "human", "value": "x"}], Counter(), True) == [(True, "x")]
