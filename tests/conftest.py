"""Shared by the tests: one thread a process, no network, small data and tiny models made on the spot."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from prefens.core import resources
from prefens.core.types import Pairs
from tests.helpers.examples import FAMILIES, make_pairs, make_tiny_encoder

resources.limit_threads()

# Property tests draw the same examples everywhere; --hypothesis-profile=random (make test-random) draws fresh ones.
# How fast a machine draws them is no law: no deadline, and no check of the time that drawing takes.
COMMON = settings(settings.get_profile("default"), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fixed", COMMON, derandomize=True, database=None, print_blob=True)
settings.register_profile("random", COMMON, derandomize=False, print_blob=True)
settings.load_profile("fixed")


@pytest.fixture
def pairs() -> Pairs:
    """60 labelled pairs, some of which share a prompt."""
    return make_pairs(60)


@pytest.fixture(scope="session", params=FAMILIES)
def tiny_encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised encoder of each hub family, with a tokenizer trained on the spot."""
    return make_tiny_encoder(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_encoder("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)
