"""Frames of sequences: the literal text and the special tokens around the parts of a pair, as token ids.

An encoder reads the pattern that its own tokenizer puts around a pair. A causal model has none: its tokenizer puts
nothing between two texts, or a second BOS. It reads a template, with BOS before it exactly once where its tokenizer
puts one, and EOS behind it where it has one; or its own chat template.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from prefens.core.errors import BackboneError, ConfigError
from prefens.data.text.settings import PLACEHOLDER, TemplateSettings

PARTS = ("\ue000", "\ue001", "\ue002")  # private characters that stand for the parts while a chat template is filled
TODAY, SOME_DAY = "strftime_now", "26 Jul 2024"  # what Llama-3.2's template prints; a model reads the same every day


@dataclass(frozen=True)
class Frame:
    """The tokens around the parts of a sequence, such as [CLS] x [SEP] y [SEP].

    Attributes
    ----------
    before, between, after : tuple of int
        Token ids before the first part, between the first two parts, and after the last part.
    second : tuple of int or None
        Token ids between the second part and a third; None for those of `between`.
    """

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    second: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """The number of tokens around two parts."""
        return self.around(2)

    def around(self, parts: int) -> int:
        """Return the number of tokens around that many parts."""
        return len(self.before) + sum(map(len, self.gaps(parts))) + len(self.after)

    def gaps(self, parts: int) -> list[tuple[int, ...]]:
        """Return the token ids between that many parts."""
        return [self.between, self.between if self.second is None else self.second][: parts - 1]


def make_frame(tokenizer: Any, template: TemplateSettings, cross: bool) -> Frame:
    """Return the frame of a sequence of a prompt and one response, or with `cross` of a prompt and both.

    Raises
    ------
    BackboneError
        The tokenizer has no pattern for pairs, with `cross` no separator, or no chat template where one is asked for.
    ConfigError
        The template has no form for the pairing.
    """
    if template.is_default:
        return _separated(learn_pattern(tokenizer), cross)
    text = template.cross if cross else template.siamese
    if text is None:
        asked = f"pairing={'cross' if cross else 'siamese'}"
        raise ConfigError(f"{asked} and a text without template.{asked[8:]}", "a template for it", "set text=plain")
    before, after = _around_one(tokenizer)
    if template.chat:
        literals, after = _chat_literals(tokenizer, text, cross), ()
    else:
        literals = PLACEHOLDER.split(text)
        if not after and tokenizer.eos_token_id is not None:
            after = (tokenizer.eos_token_id,)
    first, *gaps, last = (tuple(tokenizer(literal, add_special_tokens=False)["input_ids"]) for literal in literals)
    if first[: len(before)] == before:  # a chat template that prints BOS
        before = ()
    return Frame(before + first, gaps[0], last + after, gaps[1] if cross else None)


def learn_pattern(tokenizer: Any) -> Frame:
    """Return the tokenizer's pattern for a pair of texts; BERT, RoBERTa, XLM-R and DeBERTa differ.

    Raises
    ------
    BackboneError
        Where the tokenizer changes the tokens of a text in a pair.
    """
    first, second = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("one", "two two"))
    pair_tokens = list(tokenizer("one", "two two")["input_ids"])
    for start in range(len(pair_tokens)):
        if pair_tokens[start : start + len(first)] == first:
            rest = pair_tokens[start + len(first) :]
            for gap in range(len(rest) + 1):
                if rest[gap : gap + len(second)] == second:
                    return Frame(tuple(pair_tokens[:start]), tuple(rest[:gap]), tuple(rest[gap + len(second) :]))
    raise BackboneError(
        f"the tokenizer makes {pair_tokens} of a pair",
        "both texts' own tokens with special ones around",
        "use a fast tokenizer",
    )


def _separated(pattern: Frame, cross: bool) -> Frame:
    if cross and not pattern.between:
        raise BackboneError(
            "the tokenizer puts nothing between two texts",
            "a separator, without which the responses of a cross encoder run into each other",
            "set text=plain or pairing=siamese, or take a backbone whose tokenizer has one",
        )
    return pattern


def _around_one(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the special tokens that the tokenizer puts before and after a text: BOS, [CLS] and [SEP], or none."""
    whole, own = (tokenizer("one", add_special_tokens=special)["input_ids"] for special in (True, False))
    start = next((place for place in range(len(whole)) if whole[place : place + len(own)] == own), 0)
    return tuple(whole[:start]), tuple(whole[start + len(own) :])


def _chat_literals(tokenizer: Any, text: str, cross: bool) -> list[str]:
    """Return what the model's chat template puts before, between and after the parts.

    A siamese sequence is a chat whose answer is the response; a cross one is a question, by the template, to be
    answered.
    """
    if getattr(tokenizer, "chat_template", None) is None:
        raise BackboneError("text.template.chat=true and a tokenizer without a chat template", "one", "set text=plain")
    parts = iter(PARTS)
    filled = PLACEHOLDER.sub(lambda _: next(parts), text)
    if cross:
        messages = [{"role": "user", "content": filled}]
    else:
        messages = [{"role": "user", "content": PARTS[0]}, {"role": "assistant", "content": PARTS[1]}]
    template = tokenizer.get_chat_template()
    if TODAY in template:
        template = f"{{% macro {TODAY}(format) %}}{SOME_DAY}{{% endmacro %}}{template}"
    printed = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=cross, chat_template=template
    )
    literals = re.split("|".join(PARTS), printed)
    if len(literals) != (4 if cross else 3):
        raise BackboneError("a chat template that repeats or drops the chat's texts", "each once", "set text=plain")
    return literals
