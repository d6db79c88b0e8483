"""The bias audit: which traits of responses move the votes, and whether they move the predictions as much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from prefens.core.bootstrap import GroupBootstrap
from prefens.core.errors import StoreError
from prefens.core.metrics import one_hot
from prefens.core.types import Floats, Folds, Ints, Pairs
from prefens.reporting.bias.effects import bias_effects, family_effects, length_effects, model_pair_effects, tie_effects
from prefens.reporting.bias.estimator import Estimates, estimate
from prefens.reporting.bias.swapped_duplicates import find_swapped_duplicates
from prefens.reporting.text_stats import text_stats

VOTES, TRUTH = "votes", "truth"
MAX_COLUMNS = 4  # predictors that tables have columns for


@dataclass(frozen=True, eq=False)
class BiasAudit:
    """Effects on preference in n pairs.

    Attributes
    ----------
    main : Estimates
        Of all traits: of the votes, of the truth where it is known, and of every predictor.
    lengths : Estimates
        Of the longer response by length ratio: of the votes, the truth and the first MAX_COLUMNS predictors. So are:
    ties : Estimates
        The share of ties in slices; without effects where there are two outcomes.
    families : Estimates
        Of model families against all others; without effects where models are not known.
    model_pairs : Estimates
        Of pairs of models; without effects where models are not known.
    votes : ndarray of float, shape (n, K)
        One-hot.
    predictions : mapping from str to ndarray of float, shape (n, K)
        Those of each predictor, the most important first.
    swapped_duplicates : ndarray of int64, shape (n,)
        The row that shows the same pair in the other order, or -1.
    bootstrap : GroupBootstrap
        The resamples of prompt groups behind all intervals.
    """

    main: Estimates
    lengths: Estimates
    ties: Estimates
    families: Estimates
    model_pairs: Estimates
    votes: Floats
    predictions: Mapping[str, Floats]
    swapped_duplicates: Ints
    bootstrap: GroupBootstrap


def bias_audit(pairs: Pairs, folds: Folds, predictions: Mapping[str, Floats], resamples: int = 500) -> BiasAudit:
    """Estimate the effects of traits on votes and on predictions.

    Parameters
    ----------
    pairs : Pairs
        The texts, in any order; those that `folds` lacks are left out.
    folds : Folds
        n rows with their labels and prompt groups.
    predictions : mapping from str to ndarray of float, shape (n, K)
        Out-of-fold probabilities in the order of `folds`, the most important first; may be empty.
    resamples : int
        Of prompt groups, for the 95 % intervals.

    Raises
    ------
    StoreError
        A row of `folds` has no text, or predictions have another shape.
    """
    pairs = align_pairs(pairs, folds)
    expected = (len(pairs), folds.n_outcomes)
    for name, probabilities in predictions.items():
        if probabilities.shape != expected:
            raise StoreError(f"{name}: probabilities of shape {probabilities.shape}", f"{expected}", "join them by id")
    stats, bootstrap = text_stats(pairs), GroupBootstrap(folds.group, resamples)
    votes = one_hot(folds.label, folds.n_outcomes)
    targets = {VOTES: votes} | ({} if pairs.truth is None else {TRUTH: pairs.truth[:, 0]})
    every = targets | dict(predictions)
    first = targets | dict(list(predictions.items())[:MAX_COLUMNS])
    columns = (list(first), list(first.values()), bootstrap)
    return BiasAudit(
        main=estimate(bias_effects(pairs, stats), list(every), list(every.values()), bootstrap),
        lengths=estimate(length_effects(stats), *columns),
        ties=estimate(tie_effects(pairs, stats) if folds.n_outcomes == 3 else [], *columns),
        families=estimate(family_effects(pairs), *columns),
        model_pairs=estimate(model_pair_effects(pairs), *columns),
        votes=votes,
        predictions=predictions,
        swapped_duplicates=find_swapped_duplicates(pairs),
        bootstrap=bootstrap,
    )


def align_pairs(pairs: Pairs, folds: Folds) -> Pairs:
    """Return the pairs of `folds` in its order.

    Raises
    ------
    StoreError
        A row of `folds` has no text.
    """
    rows = {id_: row for row, id_ in enumerate(pairs.ids)}
    missing = [id_ for id_ in folds.ids if id_ not in rows]
    if missing:
        raise StoreError(
            f"no texts for {len(missing)} of {len(folds.ids)} rows (id {missing[0]} is one)",
            "the pairs that the folds were made of",
            "give the same data.path as in training",
        )
    return pairs.take(np.array([rows[id_] for id_ in folds.ids], dtype=np.int64))
