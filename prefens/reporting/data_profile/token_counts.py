"""Counting tokens by the tokenizer of all-MiniLM-L6-v2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from prefens.core.errors import BackboneError
from prefens.members.backbone_files import find_minilm


def minilm_counter(backbones: Sequence[Path] = ()) -> Callable[[Sequence[str]], list[int]] | None:
    """Return a function that counts the word pieces of texts by the tokenizer of all-MiniLM-L6-v2.

    It counts no special tokens, truncates nothing, and replaces lone surrogates.

    Parameters
    ----------
    backbones : sequence of Path
        The folders of backbones.

    Returns
    -------
    count : callable or None
        From texts to the number of tokens of each; None where the encoder is not installed.
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
        return [len(encoding.ids) for encoding in tokenizer.encode_batch(readable, add_special_tokens=False)]

    return count
