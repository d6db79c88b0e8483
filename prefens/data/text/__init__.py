"""Texts of pairs: turns, tokens with their budgets and their cache, n-grams, and counts of style."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.data.text.ngrams import NgramSets, ngram_sets
    from prefens.data.text.settings import TextSettings
    from prefens.data.text.token_cache import cached_tokens
    from prefens.data.text.tokens import PairTokens, tokenize_pairs
    from prefens.data.text.truncation import TruncationAudit
    from prefens.data.text.turns import joined

__all__ = [
    "NgramSets",
    "PairTokens",
    "TextSettings",
    "TruncationAudit",
    "cached_tokens",
    "joined",
    "ngram_sets",
    "tokenize_pairs",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
