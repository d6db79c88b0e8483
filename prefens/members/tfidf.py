"""The `tfidf` member: TF-IDF differences and cosines of word and character n-grams, logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy import sparse

from prefens.members.base import Context, FitReport, Member
from prefens.members.features import shared
from prefens.members.parallel import map_chunks
from prefens.members.settings import load_settings, save_settings
from prefens.members.symmetric_logistic import SymmetricLogistic, choose_strength, fit
from prefens.records import Floats, Pairs

CHUNK = 2000  # texts per piece of parallel work
TURNS = "\n\n"  # between the turns of a text


@dataclass(eq=False)
class TfidfMember(Member):
    """Logistic regression on what the two responses say differently.

    N-grams are hashed, which needs no vocabulary: the counts of all folds are made once, and only the inverse
    document frequencies come from the training rows of each fold. The odd features are the difference of the
    responses' unit-length TF-IDF vectors and of their cosines to the prompt; the even ones are the cosine
    between the responses and the sum of those to the prompt.

    Parameters
    ----------
    word_ngrams, char_ngrams : shortest and longest n-gram, of words and of characters inside words.
    bits : log2 of the number of hashed features of each kind.
    strengths : inverse regularisations to choose from, on inner folds; ascending.
    cosine_scale : weight of the few cosines against the many n-grams in the penalty.
    """

    name: str
    word_ngrams: list[int] = field(default_factory=lambda: [1, 2])
    char_ngrams: list[int] = field(default_factory=lambda: [3, 4])
    bits: int = 18
    strengths: list[float] = field(default_factory=lambda: [0.1, 0.3, 1.0, 3.0])
    inner_splits: int = 2
    cosine_scale: float = 3.0

    def __post_init__(self) -> None:
        self._idf: Floats = np.empty(0)
        self._model: SymmetricLogistic | None = None

    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        counts, rows = self._counts(train)
        present = sum(
            (np.asarray((part[rows] != 0).sum(axis=0)).ravel() for part in counts[1:]), np.zeros(counts[1].shape[1])
        )
        self._idf = np.log((1.0 + 2.0 * len(train)) / (1.0 + present)) + 1.0
        odd, even = self._features(train)
        strength, losses = choose_strength(odd, even, train.labels, context.inner, self.strengths, self.inner_splits)
        curve: list[float] = []
        self._model = fit(odd, even, train.labels, strength, curve=curve)
        return FitReport({"train_objective": curve}, {"strength": strength, "inner_log_loss": losses[strength]})

    def predict_proba(self, pairs: Pairs) -> Floats:
        if self._model is None:
            raise ValueError("predict_proba before fit or load")
        return self._model.predict_proba(*self._features(pairs))

    def save(self, directory: Path) -> None:
        from safetensors.numpy import save_file

        if self._model is None:
            raise ValueError("save before fit")
        save_settings(self, directory)
        save_file({"idf": self._idf}, directory / "idf.safetensors")
        self._model.save(directory / "model.safetensors")

    @classmethod
    def load(cls, directory: Path, backbones: Path | None = None) -> Self:
        from safetensors.numpy import load_file

        member = load_settings(cls, directory)
        member._idf = load_file(directory / "idf.safetensors")["idf"]
        member._model = SymmetricLogistic.load(directory / "model.safetensors")
        return member

    def _counts(self, pairs: Pairs) -> tuple[list[sparse.csr_matrix], Any]:
        signature = f"tfidf counts {self.word_ngrams} {self.char_ngrams} {self.bits}"
        return shared(pairs, signature, self._count_all)

    def _count_all(self, pairs: Pairs) -> list[sparse.csr_matrix]:
        """Return (n, 2 * 2^bits) damped n-gram counts of prompts and both responses."""
        columns = (pairs.prompt, pairs.response_a, pairs.response_b)
        settings = (tuple(self.word_ngrams), tuple(self.char_ngrams), self.bits)
        return [
            sparse.vstack(
                map_chunks(count_ngrams, [TURNS.join(turns) for turns in column], CHUNK, settings), format="csr"
            )
            for column in columns
        ]

    def _features(self, pairs: Pairs) -> tuple[sparse.csr_matrix, Floats]:
        from sklearn.preprocessing import normalize

        counts, rows = self._counts(pairs)
        prompt, a, b = (normalize(part[rows].multiply(self._idf[None, :]).tocsr()) for part in counts)
        to_prompt = [np.asarray(prompt.multiply(side).sum(axis=1)) for side in (a, b)]
        between = np.asarray(a.multiply(b).sum(axis=1))
        odd = sparse.hstack([a - b, self.cosine_scale * (to_prompt[0] - to_prompt[1])], format="csr")
        return odd, self.cosine_scale * np.hstack([between, to_prompt[0] + to_prompt[1]])


def count_ngrams(
    texts: Sequence[str], words: tuple[int, int], characters: tuple[int, int], bits: int
) -> sparse.csr_matrix:
    """Return (n, 2 * 2^bits) float32 counts, damped as 1 + ln(count), of hashed word and character n-grams."""
    from sklearn.feature_extraction.text import HashingVectorizer

    common = {"n_features": 2**bits, "norm": None, "alternate_sign": False, "dtype": np.float32}
    of_words = HashingVectorizer(analyzer="word", token_pattern=r"(?u)\w+|[^\w\s]", ngram_range=words, **common)
    of_characters = HashingVectorizer(analyzer="char_wb", ngram_range=characters, **common)
    counts = sparse.hstack([of_words.transform(texts), of_characters.transform(texts)], format="csr")
    counts.data = 1.0 + np.log(counts.data)
    return counts
