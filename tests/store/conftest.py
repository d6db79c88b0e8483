"""Folds with and without a hold-out, and a store of them."""

from pathlib import Path

import pytest

from prefens.core.types import Folds, Pairs
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from tests.helpers.examples import folds_of


@pytest.fixture(params=[0.0, 0.2], ids=["no hold-out", "hold-out"])
def folds(request: pytest.FixtureRequest, pairs: Pairs) -> Folds:
    return folds_of(pairs, holdout=request.param)


@pytest.fixture
def split(tmp_path: Path, folds: Folds) -> SplitStore:
    return OOFStore(tmp_path).put_folds(folds)
