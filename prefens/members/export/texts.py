"""How an exported model's texts become tokens: a frame of token ids, a chat template, a padding token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefens.data.text.frames import Frame, make_frame
from prefens.data.text.settings import PLACEHOLDER, TextSettings
from prefens.data.text.turns import TURN_SEPARATOR


@dataclass(frozen=True)
class ExportedTexts:
    """What stands around a prompt and an answer.

    Attributes
    ----------
    frame : Frame
        Token ids.
    prefixes : tuple of str
        What is put before each prompt, and before each answer.
    chat_template : str
        The Jinja template that prints the same text of a chat.
    padding : int
        The id of a token that never ends a sequence: transformers' classifier takes it for padding wherever it is.
    """

    frame: Frame
    prefixes: tuple[str, str]
    chat_template: str
    padding: int


def exported_texts(tokenizer: Any, text: TextSettings, prefixes: tuple[str, str], vectors: int) -> ExportedTexts:
    """Return how a member's siamese sequences are made, for a model with that many token vectors."""
    frame = make_frame(tokenizer, text.template, cross=False)
    return ExportedTexts(
        frame, prefixes, _chat_template(tokenizer, text, prefixes, frame), _padding(tokenizer, frame, vectors)
    )


def _chat_template(tokenizer: Any, text: TextSettings, prefixes: tuple[str, str], frame: Frame) -> str:
    """Return the model's own chat template, or one that prints the text's template; BOS once, EOS where it is read."""
    if text.template.chat:
        parts = [{"role": "user", "content": "0"}, {"role": "assistant", "content": "1"}]
        printed = tokenizer(tokenizer.apply_chat_template(parts, tokenize=False), add_special_tokens=False)["input_ids"]
        has_bos = tuple(printed[: len(frame.before)]) == frame.before
        return ("" if has_bos else _literal(tokenizer.bos_token or "")) + str(tokenizer.chat_template)
    before, between, after = PLACEHOLDER.split(text.template.siamese or "{prompt}{response}")
    sizes = [len(tokenizer(literal, add_special_tokens=False)["input_ids"]) for literal in (before, after)]
    lead, trail = frame.before[: len(frame.before) - sizes[0]], frame.after[sizes[1] :]
    first, last = ("".join(tokenizer.convert_ids_to_tokens(list(ids))) for ids in (lead, trail))
    prompt, answer = prefixes
    return (
        _literal(first + before + prompt)
        + _contents("user")
        + _literal(between + answer)
        + _contents("assistant")
        + _literal(after + last)
    )


def _contents(role: str) -> str:
    """Return the expression of all turns of a role as one text."""
    turns = f"messages | selectattr('role', 'equalto', '{role}') | map(attribute='content')"
    return f"{{{{ {turns} | join({TURN_SEPARATOR!a}) }}}}"


def _literal(text: str) -> str:
    """Return the expression of a text; a bare text would lose its last line break."""
    return f"{{{{ {text!a} }}}}" if text else ""


def _padding(tokenizer: Any, frame: Frame, vectors: int) -> int:
    """Return the tokenizer's padding, or another special token, since a sequence may not end with it."""
    inside = {*frame.before, *frame.between, *frame.after}
    ends = (frame.after or frame.between or frame.before or (None,))[-1]
    named = {number: str(token) for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    own = int(tokenizer.pad_token_id)
    ids = [number for number in {own, *named} if number != ends and number < vectors]
    return min(
        ids,
        key=lambda number: (number != own, number in inside, "pad" not in named.get(number, ""), number),
        default=own,
    )
