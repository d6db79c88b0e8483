"""The data profile: what the pairs are like, before anything is trained on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import DataError
from prefens.core.fold_run import is_by_source
from prefens.core.types import Folds, Ints, Pairs, Strings
from prefens.reporting.data_profile.duplicates import expected_leaked_rows, find_repeats, group_sizes, leaked_rows
from prefens.reporting.data_profile.model_record import ModelRecord, model_records
from prefens.reporting.text_stats import TextStats, text_stats

DEFAULT_K = 5  # folds, where the pairs are not split
TOKEN_SAMPLE = 2000  # pairs whose tokens are counted
TokenCounter = Callable[[Sequence[str]], Sequence[int]]  # from texts to the tokens of each


@dataclass(frozen=True, eq=False)
class DataProfile:
    """What n pairs are like.

    Attributes
    ----------
    pairs : Pairs
        The pairs.
    stats : TextStats
        Counts in their texts.
    group : ndarray of str, shape (n,)
        Their prompt groups.
    folds : Folds or None
        How they are split.
    repaired : mapping from str to int
        From a kind of repair to the rows that loading repaired.
    problems : mapping from str to ndarray of bool, shape (n,)
        From a problem to the rows that have it.
    tokens : mapping from str to ndarray of int64
        The tokens of a sample of prompts ("prompt") and responses ("response"); empty without a tokenizer.
    models : sequence of ModelRecord
        The record of every model; empty where models or labels are not known.
    """

    pairs: Pairs
    stats: TextStats
    group: Strings
    folds: Folds | None
    repaired: Mapping[str, int]
    problems: Mapping[str, NDArray[np.bool_]]
    tokens: Mapping[str, Ints]
    models: Sequence[ModelRecord]

    @property
    def k(self) -> int:
        """The number of folds, or of those that `expected_leak` supposes."""
        return DEFAULT_K if self.folds is None else self.folds.k

    @property
    def expected_leak(self) -> float:
        """The number of rows that k plain stratified folds would leak on average."""
        return expected_leaked_rows(self.group, self.k)

    @property
    def leaked(self) -> int | None:
        """The number of rows that `folds` leak; None without folds."""
        if self.folds is None or is_by_source(self.folds):  # then such rows are not trained on
            return None if self.folds is None else 0
        return int(leaked_rows(self.group, self.folds.fold).sum())

    @property
    def n_prompts(self) -> int:
        """The number of different prompts."""
        return len(set(self.group))

    @property
    def shared(self) -> int:
        """The number of rows that share their prompt with another row."""
        return int((group_sizes(self.group) > 1).sum())


def data_profile(
    pairs: Pairs,
    group: Strings,
    folds: Folds | None = None,
    repaired: Mapping[str, int] | None = None,
    count_tokens: TokenCounter | None = None,
) -> DataProfile:
    """Return the profile of pairs, with or without labels.

    Parameters
    ----------
    pairs : Pairs
        n pairs.
    group : ndarray of str, shape (n,)
        The prompt group of each pair.
    folds : Folds or None
        The folds of the same pairs in the same order, if they are split.
    repaired : mapping from str to int or None
        From a kind of repair to the rows that loading repaired.
    count_tokens : callable or None
        Returns the number of tokens of each text; it is asked for a sample of TOKEN_SAMPLE pairs.

    Raises
    ------
    DataError
        `folds` are of other rows.
    """
    if folds is not None and folds.ids.tolist() != pairs.ids.tolist():
        raise DataError(
            f"{len(pairs)} pairs and folds of {len(folds.ids)} rows, with other ids or in another order",
            "the folds of these pairs",
            "give the pairs in the order of the folds",
        )
    stats = text_stats(pairs)
    return DataProfile(
        pairs=pairs,
        stats=stats,
        group=group,
        folds=folds,
        repaired=repaired or {},
        problems=_find_problems(pairs, stats),
        tokens={} if count_tokens is None else _sample_tokens(pairs, count_tokens),
        models=model_records(pairs),
    )


def _find_problems(pairs: Pairs, stats: TextStats) -> dict[str, NDArray[np.bool_]]:
    turns, (a, b) = stats.prompt("turns"), stats.responses("blank_turns")
    identical = np.array([x == y for x, y in zip(pairs.response_a, pairs.response_b, strict=True)], dtype=bool)
    return {
        "an empty prompt": stats.prompt("blank_turns") == turns,
        "an empty response": (a == turns) | (b == turns),
        "both responses empty": (a == turns) & (b == turns),
        "an empty turn in a response": (a > 0) | (b > 0),
        "identical responses": identical,
        **find_repeats(pairs),
    }


def _sample_tokens(pairs: Pairs, count_tokens: TokenCounter) -> dict[str, Ints]:
    rows = np.unique(np.linspace(0, len(pairs) - 1, min(TOKEN_SAMPLE, len(pairs))).astype(np.int64))

    def count(*columns: Strings) -> Ints:
        return np.array(count_tokens(["\n\n".join(column[row]) for column in columns for row in rows]), dtype=np.int64)

    return {"prompt": count(pairs.prompt), "response": count(pairs.response_a, pairs.response_b)}
