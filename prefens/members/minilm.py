"""The `minilm` member: embeddings of all-MiniLM-L6-v2, and logistic regression on their differences."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from prefens.core.errors import ConfigError, counted
from prefens.core.feature_cache import cached_features
from prefens.core.feature_scaling import Block
from prefens.core.hashing import digest, short
from prefens.core.tensors import cached_npy, save_npy
from prefens.core.types import Floats, Pairs
from prefens.data.text.turns import joined
from prefens.members.backbone_files import MINILM_SHA256, find_minilm
from prefens.members.base import Context, FitReport, Member
from prefens.members.nn.sentence_embeddings import EmbeddingPrecision, embed, reading_device
from prefens.members.serialization import load_settings, save_settings
from prefens.members.strengths import ScaledLogistic, check_strengths

log = logging.getLogger(__name__)

N_LAYERS, MAX_TOKENS, DIMENSION = 6, 512, 384  # of all-MiniLM-L6-v2
N_ODD_COSINES, N_EVEN_COSINES = 1, 4
COSINE_WEIGHT = 0.3  # of each cosine feature, against 1 for the difference of the embeddings
SUM_WEIGHT = 0.5  # of the sum of the embeddings


@dataclass(eq=False)
class MiniLmMember(Member):
    """A sentence encoder as it is; only the logistic regression on its embeddings is fitted.

    Prompt and responses are embedded each on its own. Odd features are the differences of the responses' embeddings and
    of their cosines to the prompt. Even features are the sum of the embeddings, the cosine between the responses, the
    sum and the absolute difference of the cosines to the prompt, and whether the responses are the same.

    Parameters
    ----------
    name : str
        The member's name in tables.
    max_length : int, 8 to 512
        Tokens that are read of a text.
    layer : int, 1 to 6
        The encoder layer whose states are averaged.
    precision : EmbeddingPrecision
        Of the encoder.
    strengths : list of float
        Inverse regularizations to choose from on inner folds, ascending.

    Raises
    ------
    ConfigError
        A setting is out of its range.
    """

    kind: ClassVar = "minilm"
    learns_from_teachers = True

    name: str
    max_length: int = 256
    layer: int = 4
    precision: EmbeddingPrecision = EmbeddingPrecision.fp32
    strengths: list[float] = field(default_factory=lambda: [0.03, 0.1, 0.3, 1.0, 3.0])

    def __post_init__(self) -> None:
        check_strengths(self.strengths)
        if not 1 <= self.layer <= N_LAYERS or not 8 <= self.max_length <= MAX_TOKENS:
            raise ConfigError(
                f"backbone.layer={self.layer} backbone.max_length={self.max_length}",
                f"a layer from 1 to {N_LAYERS} and 8 to {MAX_TOKENS} tokens",
                "correct backbone.layer and backbone.max_length",
            )
        self._logistic: ScaledLogistic | None = None
        self._cache: Path | None = None
        self._backbones: Sequence[Path] = ()

    def identity(self) -> dict[str, Any]:
        """Return the digest of the weights, which they are checked against before use."""
        return {"weights": MINILM_SHA256}

    def use_backbones(self, folders: Sequence[Path]) -> None:
        self._backbones = folders

    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        self._cache = context.cache
        blocks = self._features(train)
        targets = context.targets_of(train)
        self._logistic, report = ScaledLogistic.fit(*blocks, targets, context.inner, self.strengths)
        return report

    def predict_proba(self, pairs: Pairs) -> Floats:
        if self._logistic is None:
            raise ValueError("predict_proba before fit or load")
        return self._logistic.predict_proba(*self._features(pairs))

    def save(self, directory: Path) -> None:
        if self._logistic is None:
            raise ValueError("save before fit")
        save_settings(self, directory)
        self._logistic.save(directory)

    @classmethod
    def load(cls, directory: Path, backbones: Sequence[Path] = ()) -> Self:
        member = load_settings(cls, directory)
        member._backbones = backbones
        member._logistic = ScaledLogistic.load(directory, DIMENSION + N_ODD_COSINES, DIMENSION + N_EVEN_COSINES)
        return member

    @classmethod
    def required_backbones(cls, directory: Path, backbones: Sequence[Path] = ()) -> dict[str, Path]:
        return {"minilm-l6": find_minilm(backbones)}

    def _features(self, pairs: Pairs) -> tuple[list[Block], list[Block]]:
        settings = [*self.kind_fields().values(), MINILM_SHA256, self.max_length, self.layer, self.precision.name]
        (prompt, a, b), rows = cached_features(
            pairs, f"embeddings {settings}", lambda base: self._embed(base, settings)
        )
        return embedding_features(prompt[rows], a[rows], b[rows])

    def _embed(self, pairs: Pairs, settings: Sequence[Any]) -> tuple[NDArray[np.float32], ...]:
        """Return (n, d) embeddings of prompts and both responses; every distinct text is embedded once."""
        columns = [[joined(turns) for turns in column] for column in (pairs.prompt, pairs.response_a, pairs.response_b)]
        places: dict[str, int] = {}
        rows = [[places.setdefault(text, len(places)) for text in column] for column in columns]
        vectors = self._cached(list(places), settings)
        return tuple(vectors[column] for column in rows)

    def _cached(self, texts: Sequence[str], settings: Sequence[Any]) -> NDArray[np.float32]:
        """Return (n, d) embeddings of texts, from the cache where it has them; other processes that need them wait."""

        def compute(pieces: Path | None) -> NDArray[np.float32]:
            if self._cache is not None:  # a prediction keeps nothing, and asks for each part of its pairs
                log.info("embedding %s with %s", counted(len(texts), "text"), self.name)
            return embed(texts, find_minilm(self._backbones), self.max_length, self.layer, self.precision, pieces)

        if self._cache is None:
            return compute(None)
        content = hashlib.sha256("\0".join(f"{len(text)}:{text}" for text in texts).encode()).hexdigest()
        device = reading_device().type
        rounding = [] if device == "cpu" else [device]  # another device has other last bits
        path = self._cache / "embeddings" / f"{short(digest([*settings, *rounding, content]))}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            embeddings = cached_npy(path, (len(texts), DIMENSION), np.float32)
            if embeddings is None:
                pieces = path.with_suffix(".pieces")
                embeddings = compute(pieces)
                save_npy(path, embeddings)
                shutil.rmtree(pieces, ignore_errors=True)
        return embeddings


def embedding_features(
    prompt: NDArray[np.float32], a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[list[Block], list[Block]]:
    """Return the blocks of odd and of even features, for unit-length embeddings of n pairs.

    Parameters
    ----------
    prompt, a, b : float32 array, shape (n, d)
        Embeddings of prompts and responses.
    """
    prompt64, a64, b64 = (part.astype(np.float64) for part in (prompt, a, b))
    prompt_a, prompt_b, a_b = (
        (left * right).sum(axis=1) for left, right in ((prompt64, a64), (prompt64, b64), (a64, b64))
    )  # cosines
    same = (np.abs(a64 - b64).max(axis=1, initial=0.0) < 1e-6).astype(np.float64)
    even_cosines = np.column_stack([a_b, prompt_a + prompt_b, np.abs(prompt_a - prompt_b), same])
    return (
        [Block(a64 - b64, joint=True), Block((prompt_a - prompt_b)[:, None], COSINE_WEIGHT)],
        [Block(a64 + b64, SUM_WEIGHT, joint=True), Block(even_cosines, COSINE_WEIGHT)],
    )
