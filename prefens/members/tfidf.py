"""The `tfidf` member: TF-IDF differences and cosines of word and character n-grams, logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from prefens.core.errors import ConfigError
from prefens.core.feature_cache import cached_features
from prefens.core.feature_scaling import Block, PairScaling
from prefens.core.symmetric_logistic import SymmetricLogistic
from prefens.core.tensors import read_arrays, refusal
from prefens.core.types import Floats, Pairs
from prefens.data.text.ngrams import NgramSets, ngram_sets
from prefens.data.text.presence import Presence
from prefens.members.base import Context, FitReport, Member
from prefens.members.rotation import MAX_ROWS, RotatedFeatures, rotate
from prefens.members.serialization import load_settings, save_settings
from prefens.members.strengths import check_strengths, fit_best

N_ODD_COSINES, N_EVEN_COSINES = 1, 3
MAX_BITS = 26
COSINE_WEIGHT = 0.3  # of each cosine feature, against 1 for all n-grams together


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
    version: ClassVar = 3
    learns_from_teachers = True

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
        sets = self._sets(train)
        self._idf = self._inverse_frequencies(sets)
        idf = self._idf[sets.columns].astype(np.float64)
        self._norms = np.array([max(norm, 1e-9) for norm in _norms(sets, idf)])
        cosines = _cosines(sets, idf)
        self._scaling = PairScaling.fit(*([block] for block in cosines))
        odd, even = self._features(sets, idf, cosines)
        few = len(train) <= MAX_ROWS
        left, right = (rotate(part.matrix()) if few else RotatedFeatures(part) for part in (odd, even))
        targets = context.targets_of(train)
        model, report = fit_best(left.rows, right.rows, targets, context.inner, self.strengths, quick=not few)
        left_weights, right_weights = left.back(model.odd), right.back(model.even)
        self._model = SymmetricLogistic(
            self._everywhere(sets, left_weights), self._everywhere(sets, right_weights), model.intercept
        )
        return replace(report, metrics={**report.metrics, "parameters": self._model.size})

    def predict_proba(self, pairs: Pairs) -> Floats:
        if self._model is None:
            raise ValueError("predict_proba before fit or load")
        sets = self._sets(pairs)
        idf = self._idf[sets.columns].astype(np.float64)
        odd, even = (
            np.concatenate([weights[sets.columns], weights[2 ** (self.bits + 1) :]])
            for weights in (self._model.odd, self._model.even)
        )
        model = SymmetricLogistic(odd, even, self._model.intercept)
        return model.predict_proba(*self._features(sets, idf, _cosines(sets, idf)))

    def save(self, directory: Path) -> None:
        from safetensors.numpy import save_file

        if self._model is None or self._scaling is None:
            raise ValueError("save before fit")
        save_settings(self, directory)
        save_file({"idf": self._idf, "norms": self._norms}, directory / "ngrams.safetensors")
        self._scaling.save(directory / "scaling.safetensors")
        self._model.save(directory / "model.safetensors")

    @classmethod
    def load(cls, directory: Path, backbones: Sequence[Path] = ()) -> Self:
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

    def _sets(self, pairs: Pairs) -> NgramSets:
        """Return the n-grams of pairs; those of all pairs that they were taken from are computed once."""
        words, characters = ((sizes[0], sizes[1]) for sizes in (self.word_ngrams, self.char_ngrams))
        signature = self.cache_signature("n-grams", words, characters, self.bits)
        sets, rows = cached_features(pairs, signature, lambda base: ngram_sets(base, words, characters, self.bits))
        return sets.take(rows)

    def _inverse_frequencies(self, sets: NgramSets) -> NDArray[np.float32]:
        """Return the (2 * 2^bits,) inverse document frequencies in responses; words and characters get equal weight."""
        n = len(sets.both)
        parts = ((sets.only_a, 1.0), (sets.only_b, 1.0), (sets.both, 2.0))  # and how many responses have them
        present = self._everywhere(sets, np.sum([part.totals(np.full(n, count)) for part, count in parts], axis=0))
        idf: Floats = np.log((1.0 + 2 * n) / (1.0 + present)) + 1.0
        n_words = 2**self.bits
        for part in (slice(None, n_words), slice(n_words, None)):
            idf[part] /= max(1e-9, np.sqrt((present[part] * idf[part] ** 2).sum() / max(1, 2 * n)))
        return idf.astype(np.float32)

    def _features(self, sets: NgramSets, idf: Floats, cosines: list[Block]) -> tuple[NgramFeatures, NgramFeatures]:
        """Return the odd and the even features, n-grams and cosines on comparable scales."""
        if self._scaling is None:
            raise ValueError("features before fit or load")
        odd, even = self._scaling.apply(*([block] for block in cosines))
        return (
            NgramFeatures(((1.0, sets.only_a), (-1.0, sets.only_b)), idf / self._norms[0], odd),
            NgramFeatures(((1.0, sets.only_a), (1.0, sets.only_b), (2.0, sets.both)), idf / self._norms[1], even),
        )

    def _everywhere(self, sets: NgramSets, values: Floats) -> Floats:
        """Return values of the columns that occur, and what follows them, with zeros for the columns that do not."""
        n_columns = 2 ** (self.bits + 1)
        everywhere = np.zeros(n_columns + len(values) - len(sets.columns))
        everywhere[sets.columns] = values[: len(sets.columns)]
        everywhere[n_columns:] = values[len(sets.columns) :]
        return everywhere


@dataclass(frozen=True, eq=False)
class NgramFeatures:
    """Features of n pairs: p n-grams and some dense ones, as a matrix that is multiplied, never stored.

    Attributes
    ----------
    parts : pairs of float and Presence
        The sum of these multiples of zeros and ones, shape (n, p), is what `scale` multiplies.
    scale : float64 array, shape (p,)
        Of each n-gram.
    dense : float64 array, shape (n, c)
        The columns after those of the n-grams.
    rows : int64 array, shape (n,), or slice
        The n rows of the parts that these are: some rows of large features are no copy.
    """

    parts: tuple[tuple[float, Presence], ...]
    scale: Floats
    dense: Floats
    rows: NDArray[np.int64] | slice = field(default_factory=lambda: slice(None))

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.dense), len(self.scale) + self.dense.shape[1]

    @property
    def T(self) -> TransposedFeatures:
        return TransposedFeatures(self)

    def __matmul__(self, weights: Floats) -> Floats:
        scaled = self.scale * weights[: len(self.scale)]
        products: Floats = self.dense @ weights[len(self.scale) :]
        for multiple, part in self.parts:
            products += multiple * part.sums(scaled)[self.rows]
        return products

    def __getitem__(self, rows: NDArray[np.int64]) -> NgramFeatures:
        places = np.arange(len(self.parts[0][1]))[self.rows]
        return NgramFeatures(self.parts, self.scale, self.dense[rows], places[rows])

    def matrix(self) -> sparse.csr_matrix:
        """Return the features as a CSR matrix."""
        total = sum(multiple * part.matrix() for multiple, part in self.parts)[self.rows]
        return sparse.hstack([total @ sparse.diags(self.scale), sparse.csr_matrix(self.dense)], format="csr")


@dataclass(frozen=True, eq=False)
class TransposedFeatures:
    """The transpose of features.

    Attributes
    ----------
    features : NgramFeatures
        What is transposed.
    """

    features: NgramFeatures

    def __matmul__(self, values: Floats) -> Floats:
        everywhere = np.zeros(len(self.features.parts[0][1]))
        everywhere[self.features.rows] = values  # each row is there at most once
        totals = sum(part.totals(multiple * everywhere) for multiple, part in self.features.parts)
        return np.concatenate([self.features.scale * totals, self.features.dense.T @ values])


def _norms(sets: NgramSets, idf: Floats) -> tuple[float, float]:
    """Return the root mean squares of the norms of the differences and of the sums of the TF-IDF vectors."""
    only, both = (
        sum(float(part.sums(idf**2).sum()) for part in parts) for parts in ((sets.only_a, sets.only_b), (sets.both,))
    )
    n = max(1, len(sets.both))
    return np.sqrt(only / n), np.sqrt((only + 4.0 * both) / n)


def _cosines(sets: NgramSets, idf: Floats) -> list[Block]:
    """Return the odd and the even cosines of the TF-IDF vectors; 0 where a text has no n-grams."""
    weights = idf**2
    both, prompt_both = sets.both.sums(weights), sets.prompt_both.sums(weights)
    prompt, a, b = sets.prompt.sums(weights), both + sets.only_a.sums(weights), both + sets.only_b.sums(weights)
    prompt_a, prompt_b = (
        (prompt_both + shared.sums(weights)) / np.sqrt(np.maximum(prompt * response, 1e-12))
        for shared, response in ((sets.prompt_only_a, a), (sets.prompt_only_b, b))
    )
    a_b = both / np.sqrt(np.maximum(a * b, 1e-12))
    even = np.column_stack([a_b, prompt_a + prompt_b, np.abs(prompt_a - prompt_b)])
    return [Block((prompt_a - prompt_b)[:, None], COSINE_WEIGHT), Block(even, COSINE_WEIGHT)]
