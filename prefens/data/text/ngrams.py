"""Hashed n-grams of words and characters that the texts of pairs have, and which of them texts share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from prefens.core.parallel import map_chunks
from prefens.core.types import Pairs
from prefens.data.text.presence import Presence, ranges
from prefens.data.text.turns import joined

CHUNK_PAIRS = 1000  # in a piece of parallel work
TOKEN = re.compile(r"\w+|[^\w\s]|\n")  # words, punctuation and line breaks: how a response looks counts too
MULTIPLIERS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)  # of the hash, as in splitmix64

Sets = dict[str, Presence]


@dataclass(frozen=True, eq=False)
class NgramSets:
    """Which n-grams the texts of n pairs have, of the p columns that occur anywhere.

    Attributes
    ----------
    columns : int64 array, shape (p,)
        The hashed columns, ascending.
    prompt : Presence
        N-grams of the prompt.
    only_a, only_b, both : Presence
        N-grams of one response and not of the other, and of both.
    prompt_only_a, prompt_only_b, prompt_both : Presence
        Those of them that the prompt has.
    """

    columns: NDArray[np.int64]
    prompt: Presence
    only_a: Presence
    only_b: Presence
    both: Presence
    prompt_only_a: Presence
    prompt_only_b: Presence
    prompt_both: Presence

    def take(self, rows: NDArray[np.int64] | slice) -> NgramSets:
        """Return the sets of some pairs."""
        if isinstance(rows, slice):
            return self
        return NgramSets(self.columns, *(getattr(self, item.name).take(rows) for item in fields(self)[1:]))


def ngram_sets(pairs: Pairs, words: tuple[int, int], characters: tuple[int, int], bits: int) -> NgramSets:
    """Return the n-grams of all pairs, found on all cores of this process's share.

    Parameters
    ----------
    pairs : Pairs
        n pairs.
    words, characters : tuple of int, (shortest, longest)
        N-grams of words, and of characters inside words.
    bits : int
        log2 of the number of hashed columns of each kind; those of words come first.
    """
    rows = np.arange(len(pairs))
    chunks = [pairs.take(part).unlabelled() for part in np.split(rows, rows[CHUNK_PAIRS::CHUNK_PAIRS])]
    parts = map_chunks(chunk_ngrams, chunks, 1, "counting n-grams", (words, characters, bits))
    seen = np.zeros(2 ** (bits + 1), dtype=bool)
    for part in parts:
        for name in ("prompt", "only_a", "only_b", "both"):
            seen[part[name].indices] = True
    columns, places = np.flatnonzero(seen), (np.cumsum(seen) - 1).astype(np.int32)
    sets = [
        Presence.stack([part.pop(name).renumbered(places, len(columns)) for part in parts]) for name in list(parts[0])
    ]
    return NgramSets(columns, *sets)


def chunk_ngrams(chunk: Sequence[Pairs], words: tuple[int, int], characters: tuple[int, int], bits: int) -> Sets:
    """Return the sets of the pairs that are the only element of `chunk`, 2 * 2^bits columns wide, by name."""
    (pairs,) = chunk
    columns = (pairs.prompt, pairs.response_a, pairs.response_b)
    texts = [joined(turns).lower() for column in columns for turns in column]
    matrix = sparse.hstack([word_ngrams(texts, words, bits), character_ngrams(texts, characters, bits)], format="csr")
    n = len(pairs)
    prompt, a, b = (matrix[start : start + n] for start in (0, n, 2 * n))
    both, difference = a.multiply(b).tocsr(), a - b
    only_a, only_b = (difference > 0).astype(np.int8), (difference < 0).astype(np.int8)
    sets = {"prompt": prompt, "only_a": only_a, "only_b": only_b, "both": both}
    sets |= {f"prompt_{name}": sets[name].multiply(prompt).tocsr() for name in ("only_a", "only_b", "both")}
    return {name: Presence.of(matrix) for name, matrix in sets.items()}


def word_ngrams(texts: Sequence[str], sizes: tuple[int, int], bits: int) -> sparse.csr_matrix:
    """Return ones where a text has a hashed n-gram of words: int8 CSR, shape (n, 2^bits), columns sorted."""
    places, tokens, starts = _places(texts, TOKEN.findall)
    hashes = np.fromiter((crc32(word.encode()) for word in places), np.uint64, len(places))
    return _gram_columns(hashes[tokens], starts, sizes, bits)


def character_ngrams(texts: Sequence[str], sizes: tuple[int, int], bits: int) -> sparse.csr_matrix:
    """Return ones where a text has a hashed n-gram of characters inside words, with a space before and after each.

    Each distinct word is cut once. A word that is shorter than an n-gram has none.
    """
    places, tokens, starts = _places(texts, str.split)
    of_texts = _ones(tokens, starts, len(places))
    padded = [f" {word} " for word in places]
    points = np.frombuffer("".join(padded).encode("utf-32-le"), dtype=np.uint32)
    edges = np.concatenate([[0], np.cumsum([len(word) for word in padded], dtype=np.int64)])
    of_words = _gram_columns(points.astype(np.uint64), edges, sizes, bits)
    present = (of_texts.astype(np.int32) @ of_words.astype(np.int32)).tocsr()
    present.sort_indices()
    present.data = np.ones(len(present.data), dtype=np.int8)
    return present


def _places(
    texts: Sequence[str], split: Callable[[str], list[str]]
) -> tuple[dict[str, int], NDArray[np.int64], NDArray[np.int64]]:
    """Return the place of each distinct part of texts, those of all parts, and where each text starts among them."""
    places: dict[str, int] = {}
    rows = [[places.setdefault(part, len(places)) for part in split(text)] for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    return places, np.fromiter((place for row in rows for place in row), np.int64, int(starts[-1])), starts


def _gram_columns(
    units: NDArray[np.uint64], starts: NDArray[np.int64], sizes: tuple[int, int], bits: int
) -> sparse.csr_matrix:
    """Return which hashed n-grams of units (total,) each row has, as `word_ngrams` does; rows begin at `starts`."""
    lengths = np.diff(starts)
    counts = [np.maximum(lengths - size + 1, 0) for size in range(sizes[0], sizes[1] + 1)]
    columns = []
    for size, count in enumerate(counts, sizes[0]):
        first = ranges(starts[:-1], count)
        gram = np.full(len(first), size, dtype=np.uint64)
        for step in range(size):
            gram = (gram ^ units[first + step]) * MULTIPLIERS[0]
            gram = (gram ^ (gram >> np.uint64(29))) * MULTIPLIERS[1]
        columns.append((gram >> np.uint64(64 - bits)).astype(np.int32))
    matrices = [
        _ones(part, np.concatenate([[0], np.cumsum(count)]), 2**bits)
        for part, count in zip(columns, counts, strict=True)
    ]
    total = sum(matrices[1:], start=matrices[0])
    total.data = np.ones(len(total.data), dtype=np.int8)
    return total


def _ones(columns: NDArray[np.integer], starts: NDArray[np.int64], width: int) -> sparse.csr_matrix:
    """Return the int8 CSR matrix with ones in each row's columns, which may repeat."""
    ones = np.ones(len(columns), dtype=np.int32)
    matrix = sparse.csr_matrix(
        (ones, columns.astype(np.int32), starts.astype(np.int32)), shape=(len(starts) - 1, width)
    )
    matrix.sum_duplicates()
    return sparse.csr_matrix((np.ones(len(matrix.data), np.int8), matrix.indices, matrix.indptr), shape=matrix.shape)
