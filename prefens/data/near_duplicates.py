"""Prompts that are nearly the same: clusters by MinHash, in time and memory that grow with the number of prompts."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from prefens.core.types import Ints, Strings

SIMILARITY = 0.8  # share of shingles that two prompts have in common, from which they are nearly the same
SHINGLE_WORDS = 3
HASHES, BANDS = 64, 16  # of 4 hashes: of two prompts that share 80 % of their shingles, one in 4,000 pairs is missed
PROMPTS_AT_ONCE = 4096
EAST_ASIAN = "\u3040-\u30ff\u3400-\u9fff"  # written without spaces: each character counts as a word
WORD = re.compile(rf"[{EAST_ASIAN}]|[^\W_{EAST_ASIAN}]+")
# Odd numbers, by which hashes are multiplied: those of splitmix64 (Steele, Lea & Flood 2014).
MIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)
Hashes = NDArray[np.uint64]


def near_duplicates(prompts: Sequence[Sequence[str]] | Strings, group: Strings) -> Ints:
    """Return the cluster of each prompt, (n,): prompts of one group, and such as share most of their words in order.

    Prompts are compared by the share of their shingles of three words that they have in common (Broder 1997, "On the
    resemblance and containment of documents"), which MinHash estimates; only prompts that agree in a band of hashes are
    compared, each with the next one. So most pairs from 80 % on are found, and some are not. Chains of near duplicates
    are one cluster.

    Parameters
    ----------
    prompts : sequence of n sequences of str
        The turns of each prompt.
    group : array of str, shape (n,)
        Its prompt group.
    """
    _, first, index = np.unique(group.astype(str), return_index=True, return_inverse=True)
    signatures = _signatures([" ".join(prompts[row]) for row in first])
    pairs = np.concatenate([np.zeros((0, 2), dtype=np.int64), *_similar(signatures)])
    links = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(len(first), len(first)))
    clusters: Ints = connected_components(links, directed=False)[1][index].astype(np.int64)
    return clusters


def _signatures(texts: Sequence[str]) -> Hashes:
    """Return (n, HASHES) minima over the shingles of each text."""
    signatures = np.empty((len(texts), HASHES), dtype=np.uint64)
    for start in range(0, len(texts), PROMPTS_AT_ONCE):
        chunk = slice(start, start + PROMPTS_AT_ONCE)
        shingles, starts = _shingles(texts[chunk])
        for place, seed in enumerate(np.arange(HASHES, dtype=np.uint64) * MIX[0]):
            signatures[chunk, place] = np.minimum.reduceat(_mix(shingles + seed), starts)
    return signatures


def _shingles(texts: Sequence[str]) -> tuple[Hashes, Ints]:
    """Return the hashes of the shingles of all texts, and where those of each text start; each has one or more."""
    words = [_words(text) for text in texts]
    lengths = np.array([len(each) for each in words])
    flat = np.concatenate(words)
    ends = np.cumsum(lengths)
    is_start = np.ones(len(flat), dtype=bool)
    for back in range(1, SHINGLE_WORDS):
        is_start[ends - back] = False
    hashes = np.zeros(len(flat), dtype=np.uint64)
    for offset in range(SHINGLE_WORDS):
        hashes[: len(flat) - offset] += flat[offset:] * MIX[offset]
    counts = lengths - (SHINGLE_WORDS - 1)
    return hashes[is_start], np.cumsum(counts) - counts


def _words(text: str) -> Hashes:
    """Return the hashes of the words of a text, filled up with zeros to a shingle; a text without words is one."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    hashes = [zlib.crc32(word.encode("utf-8", "replace")) for word in WORD.findall(folded) or [folded]]
    return np.array([*hashes, *[0] * (SHINGLE_WORDS - len(hashes))], dtype=np.uint64)


def _mix(values: Hashes) -> Hashes:
    """Return values whose bits all depend on all bits, as splitmix64 makes them."""
    values = (values ^ (values >> np.uint64(30))) * MIX[1]
    values = (values ^ (values >> np.uint64(27))) * MIX[2]
    mixed: Hashes = values ^ (values >> np.uint64(31))
    return mixed


def _similar(signatures: Hashes) -> Iterator[Ints]:
    """Yield (m, 2) rows of signatures that agree in a band, and in a share of SIMILARITY of all hashes."""
    width = HASHES // BANDS
    for band in range(BANDS):
        own = signatures[:, band * width : (band + 1) * width]
        order = np.lexsort(own.T)
        same = (own[order[1:]] == own[order[:-1]]).all(axis=1)
        pairs = np.stack([order[:-1][same], order[1:][same]], axis=1)
        for start in range(0, len(pairs), PROMPTS_AT_ONCE):
            some = pairs[start : start + PROMPTS_AT_ONCE]
            agreement = (signatures[some[:, 0]] == signatures[some[:, 1]]).mean(axis=1)
            yield some[agreement >= SIMILARITY]
