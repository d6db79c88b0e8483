"""How often each model won, tied and lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from prefens.core.types import SWAP, Pairs


@dataclass(frozen=True)
class ModelRecord:
    """A model's record.

    Attributes
    ----------
    model : str
        Its name.
    pairs : int
        The number of pairs that it took part in.
    won, tied, lost : float
        The shares of them, in [0, 1], that it won, tied and lost; None of ties where there are two outcomes.
    """

    model: str
    pairs: int
    won: float
    tied: float | None
    lost: float

    def as_dict(self) -> dict[str, Any]:
        """Return the record as a row of a table."""
        return {name: value for name, value in vars(self).items() if value is not None}


def model_records(pairs: Pairs) -> list[ModelRecord]:
    """Return the record of every model, the most frequent first; none where models or labels are not known."""
    if pairs.model_a is None or pairs.model_b is None or pairs.label is None:
        return []
    models = np.concatenate([pairs.model_a, pairs.model_b]).astype(str)
    label = pairs.label.astype(np.int64)
    outcome = np.concatenate([label, SWAP[label]])  # as seen from the model's side
    names, index = np.unique(models, return_inverse=True)
    counts = np.zeros((len(names), pairs.n_outcomes))
    np.add.at(counts, (index, outcome), 1)
    records = []
    for name, row in zip(names, counts, strict=True):
        won, lost, *tied = (float(share / row.sum()) for share in row)
        records.append(ModelRecord(str(name), int(row.sum()), won, tied[0] if tied else None, lost))
    return sorted((record for record in records if record.model), key=lambda record: (-record.pairs, record.model))
