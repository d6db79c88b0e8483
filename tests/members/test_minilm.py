"""The `minilm` member: embeddings that are kept in a file are those that were computed."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from prefens.core.types import Floats
from prefens.members import minilm
from prefens.members.base import Context
from prefens.members.minilm import DIMENSION, MiniLmMember
from prefens.members.nn.sentence_embeddings import EmbeddingPrecision
from tests.helpers.examples import make_pairs
from tests.helpers.stores import damage


@pytest.fixture(autouse=True)
def made_up_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    def embed(texts: Sequence[str], *_: object) -> NDArray[np.float32]:
        return np.random.default_rng(len(texts)).normal(size=(len(texts), DIMENSION)).astype(np.float32)

    monkeypatch.setattr(minilm, "embed", embed)
    monkeypatch.setattr(minilm, "find_minilm", lambda backbones: None)


def fit_and_predict(cache: Path, precision: EmbeddingPrecision = EmbeddingPrecision.fp32) -> Floats:
    pairs = make_pairs(40)
    member = MiniLmMember("minilm", precision=precision, strengths=[0.1])
    member.fit(pairs, None, Context(seed=0, inner=(np.arange(40) % 2).astype(np.int8), cache=cache))
    return member.predict_proba(pairs)


def write_archive(path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(stream, np.ones(3))


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(path.read_bytes()[:200]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"junk" * 100),
        lambda path: path.write_bytes(path.read_bytes()[:12] + b"(" * 64),
        lambda path: damage(path, "flipped"),
        lambda path: np.save(path, np.ones((1, 3), np.float32)),
        lambda path: np.save(path, np.load(path).astype(np.float64)),
        lambda path: np.save(path, np.array([{}]), allow_pickle=True),
        write_archive,
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: np.save(path, np.load(path)),
    ],
    ids=["cut", "empty", "junk", "header", "flipped", "shape", "type", "pickle", "archive", "digest", "no seal"],
)
def test_damaged_embeddings_are_computed_again(
    tmp_path: Path, harm: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    first = fit_and_predict(tmp_path)
    (path,) = (tmp_path / "embeddings").glob("*.npy")
    content = path.read_bytes()
    harm(path)
    np.testing.assert_array_equal(fit_and_predict(tmp_path), first)
    assert f"{path} is damaged" in caplog.text
    assert path.read_bytes() == content


def test_each_precision_has_embeddings_of_its_own(tmp_path: Path) -> None:
    for count, precision in enumerate(EmbeddingPrecision, 1):
        fit_and_predict(tmp_path, precision)
        assert len(list((tmp_path / "embeddings").glob("*.npy"))) == count
    assert not list((tmp_path / "embeddings").glob("*.pieces"))


def test_embeddings_of_another_device_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU rounds otherwise: neither its file nor the pieces that it left are mixed with a CPU's."""
    for count, device in enumerate(["cpu", "cuda"], 1):
        monkeypatch.setattr(minilm, "reading_device", lambda device=device: torch.device(device))
        fit_and_predict(tmp_path)
        assert len(list((tmp_path / "embeddings").glob("*.npy"))) == count
