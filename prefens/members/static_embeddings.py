"""Features of pairs from static embeddings: every token has one vector, whatever stands beside it.

A response is described by the directions of its tokens' mean, of the tokens that the other response lacks, and of its
beginning and end, by the largest and smallest values of its tokens, and by lengths, cosines and overlaps. Each number
depends on the texts of its own pair only: sums run over one text's tokens in a fixed order, so that the bits are the
same in any batch, in any order and with any number of threads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from prefens.core.types import Floats, Pairs
from prefens.data.text.presence import ranges
from prefens.data.text.turns import joined

if TYPE_CHECKING:
    from tokenizers import Tokenizer

OWN_DIMENSIONS = EXTREME_DIMENSIONS = 128  # the vectors are trained so that their first values say the most
EDGE_DIMENSIONS = 64
EDGE_TOKENS = 16  # of the beginning and the end of a response
POOLED_TEXTS = 500  # at a time, to save memory
WORD = re.compile(" ( *[^ ]*)")  # no token reaches over the beginning of a word; a last single space is dropped

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of n texts.

    Attributes
    ----------
    ids : int32 array, shape (total,)
        The tokens of all texts, one after another.
    starts : int64 array, shape (n + 1,)
        Where the tokens of each text start.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]

    def counts(self, size: int) -> sparse.csr_matrix:
        """Return how often each text has each of `size` tokens: float32 CSR, shape (n, size), columns sorted."""
        ones = np.ones(len(self.ids), dtype=np.float32)
        counts = sparse.csr_matrix((ones, self.ids, self.starts), shape=(len(self.starts) - 1, size), copy=True)
        counts.sum_duplicates()
        return counts

    def edges(self, count: int) -> tuple[Tokens, Tokens]:
        """Return the first `count` and the last `count` tokens of each text, or all where it has fewer."""
        lengths = np.minimum(np.diff(self.starts), count)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return (
            Tokens(self.ids[ranges(self.starts[:-1], lengths)], starts),
            Tokens(self.ids[ranges(self.starts[1:] - lengths, lengths)], starts),
        )


@dataclass(frozen=True, eq=False)
class StaticEmbeddings:
    """A vector for each token of a vocabulary.

    Attributes
    ----------
    tokenizer : tokenizers.Tokenizer
        Splits a word into tokens.
    directions : float32 array, shape (v, d)
        The vectors, of length one.
    norms : float32 array, shape (v,)
        Their lengths before: common words are short.
    """

    tokenizer: Tokenizer
    directions: Vectors
    norms: Vectors

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Return the tokens of texts; each distinct word is split once."""
        places: dict[str, int] = {}
        rows = [[places.setdefault(word, len(places)) for word in WORD.findall(f" {text}")] for text in texts]
        encodings = self.tokenizer.encode_batch_fast(list(places), add_special_tokens=False)
        lengths = np.array([len(encoding.ids) for encoding in encodings], dtype=np.int64)
        ids = np.fromiter((token for encoding in encodings for token in encoding.ids), np.int32, lengths.sum())
        words = np.fromiter((place for row in rows for place in row), np.int64)
        ends = np.cumsum(lengths[words])
        last = np.cumsum([len(row) for row in rows], dtype=np.int64)
        first = (np.cumsum(lengths) - lengths)[words]
        return Tokens(ids[ranges(first, lengths[words])], np.concatenate([[0], ends[last - 1]]))


@lru_cache(maxsize=1)
def load_embeddings(weights: Path, tokenizer: Path) -> StaticEmbeddings:
    """Return the embeddings in a safetensors file with one matrix, and their tokenizer, kept for the next call."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    (matrix,) = load_file(weights).values()
    vectors = matrix.astype(np.float32)
    norms = np.sqrt(np.square(vectors).sum(axis=1))
    return StaticEmbeddings(
        Tokenizer.from_file(str(tokenizer)), vectors / np.maximum(norms, 1e-9)[:, None], norms.astype(np.float32)
    )


@dataclass(frozen=True, eq=False)
class EmbeddedPairs:
    """The features of n pairs, float32.

    Attributes
    ----------
    odd : dict of str to array, shapes (n, p)
        What changes sign when A and B change places: differences between the responses.
    even : dict of str to array, shapes (n, q)
        What stays: sums and absolute differences.
    """

    odd: dict[str, Vectors]
    even: dict[str, Vectors]


def embed_pairs(chunk: Sequence[Pairs], weights: Path, tokenizer: Path) -> EmbeddedPairs:
    """Return the features of the pairs that are the only element of `chunk`, as a piece of parallel work."""
    (pairs,) = chunk
    embeddings = load_embeddings(weights, tokenizer)
    columns = (pairs.prompt, pairs.response_a, pairs.response_b)
    tokens = [embeddings.tokens([joined(turns) for turns in column]) for column in columns]
    counts = [part.counts(len(embeddings.norms)) for part in tokens]
    surplus = (counts[1] - counts[2]).tocsr()
    own = [surplus.maximum(0), (-surplus).maximum(0)]
    a, b = (_vectors(tokens[side], counts[side], own[side - 1], embeddings) for side in (1, 2))
    odd_scalars, even_scalars = _scalars(counts, own, embeddings)
    return EmbeddedPairs(
        {name: a[name] - b[name] for name in a} | {"scalars": odd_scalars},
        {"mean": a["mean"] + b["mean"], "scalars": even_scalars},
    )


def _vectors(
    tokens: Tokens, counts: sparse.csr_matrix, own: sparse.csr_matrix, embeddings: StaticEmbeddings
) -> dict[str, Vectors]:
    """Return the vectors of n responses, shapes (n, d), (n, 128) and (n, 64)."""
    directions = embeddings.directions
    edge = np.ascontiguousarray(directions[:, :EDGE_DIMENSIONS])
    begin, end = (part.counts(len(edge)) for part in tokens.edges(EDGE_TOKENS))
    highest, lowest = _extremes(counts, np.ascontiguousarray(directions[:, :EXTREME_DIMENSIONS]))
    return {
        "mean": _unit(counts @ directions),
        "own": _unit(own @ np.ascontiguousarray(directions[:, :OWN_DIMENSIONS])),
        "highest": highest,
        "lowest": lowest,
        "begin": _unit(begin @ edge),
        "end": _unit(end @ edge),
    }


def _extremes(counts: sparse.csr_matrix, directions: Vectors) -> tuple[Vectors, Vectors]:
    """Return the (n, p) largest and smallest values over the tokens of each text; zeros where it has none."""
    highest, lowest = (np.zeros((counts.shape[0], directions.shape[1]), dtype=np.float32) for _ in range(2))
    filled = np.flatnonzero(np.diff(counts.indptr))
    for start in range(0, len(filled), POOLED_TEXTS):
        rows = filled[start : start + POOLED_TEXTS]
        part = counts[rows]
        values = directions[part.indices]
        highest[rows] = np.maximum.reduceat(values, part.indptr[:-1], axis=0)
        lowest[rows] = np.minimum.reduceat(values, part.indptr[:-1], axis=0)
    return highest, lowest


def _scalars(
    counts: Sequence[sparse.csr_matrix], own: Sequence[sparse.csr_matrix], embeddings: StaticEmbeddings
) -> tuple[Vectors, Vectors]:
    """Return the (n, p) odd and (n, q) even features that are single numbers.

    Parameters
    ----------
    counts : three CSR matrices, shape (n, v)
        Of prompts and both responses.
    own : two CSR matrices, shape (n, v)
        Of the tokens that each response has more often than the other.
    embeddings : StaticEmbeddings
        The vectors.
    """
    distinct = [part.minimum(1) for part in counts]
    weighted = [part.multiply(embeddings.norms).tocsr() for part in counts]
    cosines = [_cosines([part @ embeddings.directions for part in parts]) for parts in (counts, weighted)]
    prompt, a, b = (_sums(part) for part in distinct)
    prompt_a, prompt_b, a_b = (_sums(distinct[x].multiply(distinct[y])) for x, y in ((0, 1), (0, 2), (1, 2)))
    sides = [
        np.column_stack([
            *(cosine[side - 1] for cosine in cosines),
            np.log1p(_sums(counts[side])), np.log1p(size), np.log1p(_sums(own[side - 1])),
            _share(used, prompt), _share(used, size), _share(a_b, size),
        ])
        for side, size, used in ((1, a, prompt_a), (2, b, prompt_b))
    ]  # fmt: skip
    of_pair = [*(cosine[2] for cosine in cosines), np.log1p(_sums(counts[0])), np.log1p(prompt)]
    identical = (_sums(own[0]) + _sums(own[1]) == 0).astype(np.float64)
    odd = sides[0] - sides[1]
    even = np.column_stack([sides[0] + sides[1], np.abs(odd), *of_pair, identical])
    return odd.astype(np.float32), even.astype(np.float32)


def _cosines(vectors: Sequence[Vectors]) -> tuple[Floats, Floats, Floats]:
    """Return the (n,) cosines of the first with the second vectors, first with third, second with third."""
    first, second, third = (_unit(part).astype(np.float64) for part in vectors)
    return (first * second).sum(axis=1), (first * third).sum(axis=1), (second * third).sum(axis=1)


def _unit(vectors: Vectors) -> Vectors:
    """Return vectors (n, d) of length one; zeros stay zeros."""
    lengths = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1, keepdims=True))
    scaled: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled


def _sums(matrix: sparse.csr_matrix) -> Floats:
    sums: Floats = np.asarray(matrix.sum(axis=1, dtype=np.float64)).ravel()
    return sums


def _share(part: Floats, whole: Floats) -> Floats:
    share: Floats = part / np.maximum(whole, 1.0)
    return share
