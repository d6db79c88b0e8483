"""The `tfidf` member: TF-IDF differences and cosines of word and character n-grams, logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from prefens.core.errors import ConfigError
from prefens.core.feature_cache import cached_features
from prefens.core.feature_scaling import Block, PairScaling
from prefens.core.parallel import map_chunks
from prefens.core.symmetric_logistic import SymmetricLogistic
from prefens.core.tensors import read_arrays, refusal
from prefens.core.types import Floats, Pairs
from prefens.data.text.turns import joined
from prefens.members.base import Context, FitReport, Member
from prefens.members.rotation import rotate
from prefens.members.serialization import load_settings, save_settings
from prefens.members.strengths import check_strengths, fit_best

CHUNK_TEXTS = 2000  # in a piece of parallel work
N_ODD_COSINES, N_EVEN_COSINES = 1, 3
MAX_BITS = 26
COSINE_WEIGHT = 0.3  # of each cosine feature, against 1 for all n-grams together
TOKEN_PATTERN = r"(?u)\w+|[^\w\s]|\n"  # words, punctuation and line breaks: how a response looks counts too


@dataclass(eq=False)
class TfidfMember(Member):
    """Logistic regression on the differences of the responses' TF-IDF vectors.

    N-grams are hashed, which needs no vocabulary: their presence is computed once for all folds, and only the inverse
    document frequencies come from the training rows of each fold. Odd features are the differences of the responses'
    vectors, which are not normalized, so that they contain length too, and of their cosines to the prompt. Even
    features are the sum of the vectors, the cosine between the responses, and the sum and the absolute difference of
    the cosines to the prompt.

    Parameters
    ----------
    name : str
        The member's name in tables.
    word_ngrams : list of int, (shortest, longest)
        N-grams of words.
    char_ngrams : list of int, (shortest, longest)
        N-grams of characters inside words.
    bits : int
        log2 of the number of hashed features of each kind.
    strengths : list of float
        Inverse regularizations to choose from on inner folds, ascending.

    Raises
    ------
    ConfigError
        `strengths` are not positive and ascending, or another setting is out of its range.
    """

    kind: ClassVar = "tfidf"

    name: str
    word_ngrams: list[int] = field(default_factory=lambda: [1, 2])
    char_ngrams: list[int] = field(default_factory=lambda: [3, 4])
    bits: int = 18
    strengths: list[float] = field(default_factory=lambda: [0.03, 0.1, 0.3, 1.0, 3.0, 10.0])

    def __post_init__(self) -> None:
        check_strengths(self.strengths)
        if not 1 <= self.bits <= MAX_BITS:
            raise ConfigError(f"backbone.bits={self.bits}", f"1 to {MAX_BITS}", "set backbone.bits=18, say")
        for name, sizes in (("word_ngrams", self.word_ngrams), ("char_ngrams", self.char_ngrams)):
            if len(sizes) != 2 or not 1 <= sizes[0] <= sizes[1]:
                raise ConfigError(f"backbone.{name}={list(sizes)}", "the shortest and the longest", "set [1, 2], say")
        self._idf: NDArray[np.float32] = np.empty(0, dtype=np.float32)
        self._norms: Floats = np.ones(2)  # root mean squares, of n-gram differences and of sums
        self._scaling: PairScaling | None = None
        self._model: SymmetricLogistic | None = None

    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        self._idf = self._inverse_frequencies(train)
        ngrams, cosines = self._ngrams_and_cosines(train)
        self._norms = np.array([max(_norm(part), 1e-9) for part in ngrams])
        self._scaling = PairScaling.fit(*([block] for block in cosines))
        odd, even = (rotate(part) for part in self._features(ngrams, cosines))
        rotated, report = fit_best(odd.rows, even.rows, train.labels, context.inner, self.strengths)
        self._model = SymmetricLogistic(odd.back(rotated.odd), even.back(rotated.even), rotated.intercept)
        return replace(report, metrics={**report.metrics, "parameters": self._model.size})

    def predict_proba(self, pairs: Pairs) -> Floats:
        if self._model is None:
            raise ValueError("predict_proba before fit or load")
        return self._model.predict_proba(*self._features(*self._ngrams_and_cosines(pairs)))

    def save(self, directory: Path) -> None:
        from safetensors.numpy import save_file

        if self._model is None or self._scaling is None:
            raise ValueError("save before fit")
        save_settings(self, directory)
        save_file({"idf": self._idf, "norms": self._norms}, directory / "ngrams.safetensors")
        self._scaling.save(directory / "scaling.safetensors")
        self._model.save(directory / "model.safetensors")

    @classmethod
    def load(cls, directory: Path, backbones: Path | None = None) -> Self:
        member = load_settings(cls, directory)
        n_ngrams, path = 2 * 2**member.bits, directory / "ngrams.safetensors"
        tensors = read_arrays(path, {"idf": (np.float32, (n_ngrams,)), "norms": (np.float64, (2,))})
        member._idf, member._norms = tensors["idf"], tensors["norms"]
        if member._norms.min() <= 0:
            raise refusal(path, "norms of 0 or less", "norms above 0")
        member._scaling = PairScaling.load(directory / "scaling.safetensors", N_ODD_COSINES, N_EVEN_COSINES)
        sizes = n_ngrams + N_ODD_COSINES, n_ngrams + N_EVEN_COSINES
        member._model = SymmetricLogistic.load(directory / "model.safetensors", *sizes)
        return member

    def _counts(self, pairs: Pairs) -> tuple[list[sparse.csr_matrix], Any]:
        """Return `_count_all` of all pairs that `pairs` were taken from, and the rows of `pairs` in it."""
        signature = self.cache_signature("counts", self.word_ngrams, self.char_ngrams, self.bits)
        return cached_features(pairs, signature, self._count_all)

    def _inverse_frequencies(self, train: Pairs) -> NDArray[np.float32]:
        """Return the (2 * 2^bits,) inverse document frequencies in responses; words and characters get equal weight."""
        counts, rows = self._counts(train)
        responses = sparse.vstack([part[rows] for part in counts[1:]], format="csr")
        present = np.bincount(responses.indices, minlength=responses.shape[1])
        idf: Floats = np.log((1.0 + responses.shape[0]) / (1.0 + present)) + 1.0
        n_words = 2**self.bits
        for part in (slice(None, n_words), slice(n_words, None)):
            idf[part] /= max(1e-9, np.sqrt((present[part] * idf[part] ** 2).sum() / responses.shape[0]))
        return idf.astype(np.float32)

    def _count_all(self, pairs: Pairs) -> list[sparse.csr_matrix]:
        """Return the (n, 2 * 2^bits) presence of n-grams in prompts and both responses."""
        settings = (tuple(self.word_ngrams), tuple(self.char_ngrams), self.bits)
        columns = (pairs.prompt, pairs.response_a, pairs.response_b)
        texts = [joined(turns) for column in columns for turns in column]
        parts = map_chunks(count_ngrams, texts, CHUNK_TEXTS, settings)
        counts, n = sparse.vstack(parts, format="csr"), len(pairs)
        return [counts[start : start + n] for start in (0, n, 2 * n)]

    def _ngrams_and_cosines(self, pairs: Pairs) -> tuple[list[sparse.csr_matrix], list[Block]]:
        """Return difference and sum of the TF-IDF vectors, and the odd and even cosines."""
        counts, rows = self._counts(pairs)
        prompt, a, b = (_weighted(part[rows], self._idf) for part in counts)
        prompt_a, prompt_b, a_b = _cosine(prompt, a), _cosine(prompt, b), _cosine(a, b)
        odd = (prompt_a - prompt_b)[:, None]
        even = np.column_stack([a_b, prompt_a + prompt_b, np.abs(prompt_a - prompt_b)])
        return [a - b, a + b], [Block(odd, COSINE_WEIGHT), Block(even, COSINE_WEIGHT)]

    def _features(
        self, ngrams: list[sparse.csr_matrix], cosines: list[Block]
    ) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        """Return (n, p) odd and (n, q) even features, n-grams and cosines on comparable scales."""
        if self._scaling is None:
            raise ValueError("features before fit or load")
        scaled = self._scaling.apply(*([block] for block in cosines))
        parts = zip(ngrams, self._norms, scaled, strict=True)
        odd, even = (
            sparse.hstack([ngram / norm, sparse.csr_matrix(cosine)], format="csr") for ngram, norm, cosine in parts
        )
        return odd, even


def count_ngrams(
    texts: Sequence[str], words: tuple[int, int], characters: tuple[int, int], bits: int
) -> sparse.csr_matrix:
    """Return ones where a text has a hashed n-gram.

    Parameters
    ----------
    texts : sequence of str
        n texts.
    words, characters : tuple of int, (shortest, longest)
        N-grams of words, and of characters inside words.
    bits : int
        log2 of the number of hashed features of each kind.

    Returns
    -------
    float32 CSR matrix, shape (n, 2 * 2^bits)
        Words first.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    common = {"n_features": 2**bits, "norm": None, "alternate_sign": False, "binary": True, "dtype": np.float32}
    of_words = HashingVectorizer(analyzer="word", token_pattern=TOKEN_PATTERN, ngram_range=words, **common)
    of_characters = HashingVectorizer(analyzer="char_wb", ngram_range=characters, **common)
    return sparse.hstack([of_words.transform(texts), of_characters.transform(texts)], format="csr")


def _weighted(counts: sparse.csr_matrix, idf: NDArray[np.float32]) -> sparse.csr_matrix:
    weighted = counts.copy()
    weighted.data *= idf[weighted.indices]
    return weighted


def _norm(matrix: sparse.csr_matrix) -> float:
    """Return the root mean square of the row norms."""
    return float(np.sqrt(np.square(matrix.data, dtype=np.float64).sum() / max(1, matrix.shape[0])))


def _cosine(left: sparse.csr_matrix, right: sparse.csr_matrix) -> Floats:
    """Return the (n,) cosines between the rows of two matrices; 0 where a row is empty."""
    product = np.asarray(left.multiply(right).sum(axis=1), dtype=np.float64).ravel()
    squares = [np.asarray(side.multiply(side).sum(axis=1), dtype=np.float64).ravel() for side in (left, right)]
    cosine: Floats = product / np.sqrt(np.maximum(squares[0] * squares[1], 1e-12))
    return cosine
