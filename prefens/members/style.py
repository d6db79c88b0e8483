"""The `style` member: length, format, tone and overlap of a pair's texts, and a small model on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from prefens.core.feature_cache import cached_features
from prefens.core.feature_scaling import Block
from prefens.core.parallel import map_chunks
from prefens.core.tensors import refusal
from prefens.core.types import SWAP, Floats, PairFeatures, Pairs
from prefens.members.base import Context, FitReport, Member, swap_average
from prefens.members.boosted_trees import BoostedTrees
from prefens.members.serialization import load_settings, save_settings
from prefens.members.strengths import ScaledLogistic, check_strengths
from prefens.members.style_features import extract_features, n_features

CHUNK_PAIRS = 1000  # in a piece of parallel work
MIN_PROBABILITY = 1e-4  # of any outcome: trees may call impossible what they have not seen


class StyleModel(Enum):
    """The model on the style features.

    Attributes
    ----------
    logistic
        Logistic regression, whose coefficients can be read.
    boosting
        Gradient boosting, which sees interactions; for larger data.
    """

    logistic = "logistic"
    boosting = "boosting"


@dataclass(eq=False)
class StyleMember(Member):
    """Interpretable features of prompt and responses, as differences (odd) and sums (even).

    Parameters
    ----------
    name : str
        The member's name in tables.
    model : StyleModel
        The kind of model on the features.
    strengths : list of float
        Inverse regularizations of the logistic model to choose from on inner folds, ascending.
    rounds : int
        Trees of the boosting.
    learning_rate : float
        Of the boosting.
    leaves : int
        Leaves of a tree, at most.
    min_rows : int
        Pairs in a leaf, at least.
    l2 : float
        L2 regularization of the boosting.

    Raises
    ------
    ConfigError
        `strengths` are not positive and ascending.
    """

    kind: ClassVar = "style"

    name: str
    model: StyleModel = StyleModel.logistic
    strengths: list[float] = field(default_factory=lambda: [1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 1.0])
    rounds: int = 150
    learning_rate: float = 0.03
    leaves: int = 6
    min_rows: int = 80
    l2: float = 10.0

    def __post_init__(self) -> None:
        check_strengths(self.strengths)
        self.learns_from_teachers = self.model is StyleModel.logistic  # trees take no soft labels
        self._logistic: ScaledLogistic | None = None
        self._boosting: BoostedTrees | None = None

    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        odd, even = self._features(train)
        self.n_outcomes = train.n_outcomes
        if self.model is StyleModel.boosting:
            return self._fit_boosting(odd, even, train.labels, context.seed)
        blocks = [Block(odd)], [Block(even)]
        targets = context.targets_of(train)
        self._logistic, report = ScaledLogistic.fit(*blocks, targets, context.inner, self.strengths)
        return report

    def predict_proba(self, pairs: Pairs) -> Floats:
        odd, even = self._features(pairs)
        if self._boosting is not None:
            sides = (np.hstack([side, even]) for side in (odd, -odd))
            return swap_average(*(boosted(self._boosting, inputs, self.n_outcomes) for inputs in sides))
        if self._logistic is None:
            raise ValueError("predict_proba before fit or load")
        return self._logistic.predict_proba([Block(odd)], [Block(even)])

    def contributions(self, pairs: Pairs) -> tuple[tuple[str, ...], Floats] | None:
        """Return the names of p features, and what each adds to the log odds of A over B, (n, p), natural logarithms.

        The log odds are the rows' sums; None where the model is not linear.
        """
        if self._logistic is None:
            return None
        features, rows = cached_features(pairs, "style features", all_features)
        part = features.take(rows)
        return part.names_odd, self._logistic.contributions([Block(part.odd)], [Block(part.even)])

    def save(self, directory: Path) -> None:
        save_settings(self, directory, self.n_outcomes)
        if self._boosting is not None:
            self._boosting.save(directory / "model.safetensors")
        elif self._logistic is not None:
            self._logistic.save(directory)

    @classmethod
    def load(cls, directory: Path, backbones: Sequence[Path] = ()) -> Self:
        member = load_settings(cls, directory)
        if member.model is StyleModel.boosting:
            member._boosting = BoostedTrees.load(path := directory / "model.safetensors")
            if member._boosting.classes[-1] >= member.n_outcomes:
                came = f"classes up to {member._boosting.classes[-1]}"
                raise refusal(path, came, f"those of {member.n_outcomes} outcomes, as settings.json says")
        else:
            member._logistic = ScaledLogistic.load(directory, *n_features())
        return member

    def _features(self, pairs: Pairs) -> tuple[Floats, Floats]:
        features, rows = cached_features(pairs, "style features", all_features)
        return features.odd[rows], features.even[rows]

    def _fit_boosting(self, odd: Floats, even: Floats, label: NDArray[np.int8], seed: int) -> FitReport:
        from sklearn.ensemble import HistGradientBoostingClassifier

        inputs = np.concatenate([np.hstack([odd, even]), np.hstack([-odd, even])])
        targets = np.concatenate([label, SWAP[label]])
        booster = HistGradientBoostingClassifier(
            max_iter=self.rounds,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.min_rows,
            l2_regularization=self.l2,
            max_features=0.3,
            early_stopping=False,
            random_state=seed,
        )
        self._boosting = BoostedTrees.from_sklearn(booster.fit(inputs, targets))
        return FitReport(metrics={"rounds": self.rounds})


def boosted(trees: BoostedTrees, inputs: Floats, outcomes: int) -> Floats:
    """Return (n, K) probabilities; an outcome that no training row had gets MIN_PROBABILITY."""
    probabilities = np.zeros((len(inputs), outcomes))
    probabilities[:, trees.classes] = trees.predict_proba(inputs)
    probabilities = np.clip(probabilities, MIN_PROBABILITY, None)
    normalized: Floats = probabilities / probabilities.sum(axis=1, keepdims=True)
    return normalized


def all_features(pairs: Pairs) -> PairFeatures:
    """Return the style features of all pairs, computed on all cores of this process's share."""
    rows = np.arange(len(pairs))
    chunks = [pairs.unlabelled().take(part).unlabelled() for part in np.split(rows, rows[CHUNK_PAIRS::CHUNK_PAIRS])]
    parts = map_chunks(chunk_features, chunks, 1, "measuring style")
    return PairFeatures(
        parts[0].names_odd,
        parts[0].names_even,
        np.concatenate([part.odd for part in parts]),
        np.concatenate([part.even for part in parts]),
    )


def chunk_features(chunk: list[Pairs]) -> PairFeatures:
    """Return the features of the one piece of work in `chunk`."""
    return extract_features(chunk[0])
