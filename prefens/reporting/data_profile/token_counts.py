"""Counting tokens with a tokenizer that is at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from prefens.core.errors import BackboneError
from prefens.members.backbone_files import find_minilm


def minilm_counter(backbones: Path | None = None) -> Callable[[Sequence[str]], list[int]] | None:
    """Return what counts the word pieces of texts as all-MiniLM-L6-v2 cuts them; None where it is not installed.

    Special tokens are not counted, nothing is truncated, and lone surrogates count like the character they become.
    """
    try:
        path = find_minilm(backbones) / "tokenizer.json"
    except BackboneError:
        return None
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts: Sequence[str]) -> list[int]:
        readable = [text.encode("utf-8", "replace").decode() for text in texts]
        return [len(found.ids) for found in tokenizer.encode_batch(readable, add_special_tokens=False)]

    return count
