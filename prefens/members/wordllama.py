"""The `wordllama` member: static token embeddings, and logistic regression on the differences of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from prefens.core.feature_cache import cached_features
from prefens.core.feature_scaling import Block
from prefens.core.parallel import map_chunks
from prefens.core.types import Floats, Pairs
from prefens.members.backbone_files import WORDLLAMA_SHA256, find_wordllama
from prefens.members.base import Context, FitReport, Member
from prefens.members.serialization import load_settings, save_settings
from prefens.members.static_embeddings import EmbeddedPairs, embed_pairs
from prefens.members.strengths import ScaledLogistic, check_strengths

CHUNK_PAIRS = 2000  # in a piece of parallel work
ODD_WEIGHTS = {"mean": 1.0, "own": 0.5, "highest": 0.5, "lowest": 0.5, "begin": 0.3, "end": 0.3, "scalars": 0.3}
EVEN_WEIGHTS = {"mean": 0.5, "scalars": 0.3}
N_ODD, N_EVEN = 256 + 3 * 128 + 2 * 64 + 8, 256 + 21  # features


@dataclass(eq=False)
class WordLlamaMember(Member):
    """Means and extremes of token embeddings that were taken from language models; nothing is run but a tokenizer.

    Parameters
    ----------
    name : str
        The member's name in tables.
    strengths : list of float
        Inverse regularizations to choose from on inner folds, ascending.

    Raises
    ------
    ConfigError
        `strengths` are not positive and ascending.
    """

    kind: ClassVar = "wordllama"
    learns_from_teachers = True

    name: str
    strengths: list[float] = field(default_factory=lambda: [0.01, 0.03, 0.1, 0.3, 1.0, 3.0])

    def __post_init__(self) -> None:
        check_strengths(self.strengths)
        self._logistic: ScaledLogistic | None = None
        self._backbones: Sequence[Path] = ()

    def use_backbones(self, folders: Sequence[Path]) -> None:
        self._backbones = folders

    def identity(self) -> dict[str, Any]:
        """Return the digests of weights and tokenizer, which they are checked against before use."""
        return dict(WORDLLAMA_SHA256)

    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
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
        member._logistic = ScaledLogistic.load(directory, N_ODD, N_EVEN)
        return member

    @classmethod
    def required_backbones(cls, directory: Path, backbones: Sequence[Path] = ()) -> dict[str, Path]:
        return {f"wordllama/{path.parent.name}": path.parent for path in find_wordllama(backbones)}

    def _features(self, pairs: Pairs) -> tuple[list[Block], list[Block]]:
        signature = self.cache_signature(*WORDLLAMA_SHA256.values())
        features, rows = cached_features(pairs, signature, self._embed)
        return _blocks(features.odd, ODD_WEIGHTS, rows), _blocks(features.even, EVEN_WEIGHTS, rows)

    def _embed(self, pairs: Pairs) -> EmbeddedPairs:
        """Return the features of all pairs, computed on all cores of this process's share."""
        rows = np.arange(len(pairs))
        chunks = [pairs.take(part).unlabelled() for part in np.split(rows, rows[CHUNK_PAIRS::CHUNK_PAIRS])]
        parts = map_chunks(embed_pairs, chunks, 1, "embedding texts", find_wordllama(self._backbones))
        odd, even = (
            {name: np.concatenate([getattr(part, side)[name] for part in parts]) for name in weights}
            for side, weights in (("odd", ODD_WEIGHTS), ("even", EVEN_WEIGHTS))
        )
        return EmbeddedPairs(odd, even)


def _blocks(features: dict[str, Any], weights: dict[str, float], rows: Any) -> list[Block]:
    """Return the features of some rows; the values of a vector keep their proportions."""
    return [Block(features[name][rows], weight, joint=name != "scalars") for name, weight in weights.items()]
