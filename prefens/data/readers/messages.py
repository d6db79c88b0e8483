"""Conversations as turns: messages with roles, contents in parts, dialogues in one text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from prefens.data.cells import shown
from prefens.data.text.turns import TURN_SEPARATOR

Turns = tuple[str, ...]
Message = tuple[bool, str]  # whether it belongs to the prompt, and its text

IS_PROMPT = {
    **dict.fromkeys(("user", "human", "prompter", "system", "developer"), True),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatbot", "tool", "function", "ipython"), False),
}
SPEAKER = re.compile(r"(?:\A|\n\n)(Human|Assistant):[ \n]?")
NULL = "null text read as empty"


class UnreadableError(ValueError):
    """What came in a row that can't be read, and what was expected."""


def text_of(content: Any, repaired: Counter[str]) -> str:
    """Return the content of a message as text: parts on lines of their own, an image as [image]."""
    if isinstance(content, str):
        return content
    if content is None:
        repaired[NULL] += 1
        return ""
    if isinstance(content, dict):
        return _part(content, repaired)
    if isinstance(content, list):
        return "\n".join(part if isinstance(part, str) else _part(part, repaired) for part in content)
    raise UnreadableError(f"content {shown(content)}, expected text or a list of parts")


def _part(part: Any, repaired: Counter[str]) -> str:
    if not isinstance(part, dict):
        raise UnreadableError(f"a part {shown(part)} of a message, expected an object with type and text")
    if isinstance(part.get("text"), str):
        return str(part["text"])
    kind = str(part.get("type") or "text").removesuffix("_url").removeprefix("input_")
    if kind == "text":
        repaired[NULL] += 1
        return ""
    repaired[f"{kind} read as [{kind}]"] += 1
    return f"[{kind}]"


def messages_of(value: Any, repaired: Counter[str], prompt: bool) -> list[Message]:
    """Return a text, or a list of messages, as messages; `prompt` says whose a bare text is."""
    if isinstance(value, list):
        return [_message(item, repaired) for item in value]
    if value is None:
        repaired[NULL] += 1
        value = ""
    if not isinstance(value, str):
        came = f"invalid JSON ({value})" if isinstance(value, Exception) else shown(value)
        raise UnreadableError(f"{came}, expected text or a list of messages")
    return _dialogue(value) or [(prompt, value)]


def _message(item: Any, repaired: Counter[str]) -> Message:
    if not isinstance(item, dict):
        raise UnreadableError(f"a message {shown(item)}, expected an object with role and content")
    role = item.get("role") or item.get("from")
    if role not in IS_PROMPT:
        raise UnreadableError(f"role {shown(role)}, expected one of {', '.join(IS_PROMPT)}")
    return IS_PROMPT[role], text_of(item.get("content", item.get("value")), repaired)


def _dialogue(text: str) -> list[Message]:
    """Return a text that marks its speakers, as Anthropic's data does, as messages; none for another text."""
    if not text.startswith(("\n\nHuman:", "Human:")):
        return []
    _, *pieces = SPEAKER.split(text)
    spoken = [(role == "Human", words.strip()) for role, words in zip(pieces[::2], pieces[1::2], strict=True)]
    return spoken if spoken[-1][0] or spoken[-1][1] else spoken[:-1]  # "Assistant:" at the end asks for the response


def turns_of(messages: Sequence[Message]) -> tuple[Turns, Turns]:
    """Return the turns of the prompt and of the response, equally many.

    A turn of the prompt is what users and systems say until a response; of the response, what assistants and tools say.
    """
    prompt: list[list[str]] = []
    response: list[list[str]] = []
    answered = True
    for is_prompt, text in messages:
        if (is_prompt and answered) or not prompt:
            prompt.append([])
            response.append([])
        (prompt if is_prompt else response)[-1].append(text)
        answered = not is_prompt
    return _join(prompt), _join(response)


def _join(turns: Iterable[Sequence[str]]) -> Turns:
    return tuple([TURN_SEPARATOR.join(filter(None, texts)) if len(texts) != 1 else texts[0] for texts in turns])
