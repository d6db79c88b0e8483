"""How many outcomes data has: three, or two where nothing speaks of ties. This is the one place that decides it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import ConfigError, counted
from prefens.core.types import Outcome, Pairs
from prefens.data.loaded import LoadedPairs

log = logging.getLogger(__name__)


def check_outcomes(value: object) -> None:
    """Check the setting `data.outcomes`; ConfigError where it is neither null nor 2 nor 3."""
    if value not in (None, 2, 3) or isinstance(value, bool):
        raise ConfigError(f"data.outcomes={value}", "2, 3 or null", "set data.outcomes=2 to leave ties out")


def n_outcomes(sources: Sequence[LoadedPairs]) -> int:
    """Return K of labelled sources: 3 where a format speaks of ties, as one-hot labels do, or where there is one."""
    return 3 if any(each.may_tie or is_tie(each.pairs).any() for each in sources) else 2


def is_tie(pairs: Pairs) -> NDArray[np.bool_]:
    """Return whether each pair is labelled a tie, (n,)."""
    return np.zeros(len(pairs), dtype=bool) if pairs.label is None else np.equal(pairs.label, Outcome.TIE)


def with_outcomes(pairs: Pairs, k: int) -> Pairs:
    """Return pairs as those of K outcomes: with two, without ties, whose number is logged."""
    ties = is_tie(pairs)
    if k == 3 or pairs.label is None:
        return replace(pairs, n_outcomes=k)
    if ties.any():
        log.info("left out, since the data has two outcomes: %s of %d pairs", counted(ties.sum(), "tie"), len(pairs))
        pairs = Pairs.concatenate([pairs.take(~ties)])  # which does not remember what was left out
    truth = None if pairs.truth is None else pairs.truth[..., :k] / pairs.truth[..., :k].sum(axis=-1, keepdims=True)
    return replace(pairs, n_outcomes=k, truth=truth)
