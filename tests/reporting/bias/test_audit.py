"""The bias audit joins texts and predictions by id."""

import numpy as np
import pytest

from prefens.core.errors import StoreError
from prefens.core.types import Pairs
from prefens.reporting.bias.audit import align_pairs, bias_audit
from tests.helpers.examples import folds_of


def test_rows_are_joined_by_id(pairs: Pairs) -> None:
    folds = folds_of(pairs)
    shuffled = pairs.take(np.random.default_rng(0).permutation(len(pairs)))
    assert (align_pairs(shuffled, folds).ids == folds.ids).all()
    with pytest.raises(StoreError, match="no texts for 1 of 60 rows"):
        align_pairs(pairs.take(np.arange(1, 60)), folds)
    with pytest.raises(StoreError, match="shape"):
        bias_audit(pairs, folds, {"short": np.full((3, 3), 1 / 3)}, 5)
