"""Sentence embeddings: a text's are its own, a stopped pass goes on, and a long one is announced."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from prefens.core import progress
from prefens.members.nn import embedding_pieces, sentence_embeddings
from prefens.members.nn.sentence_embeddings import EmbeddingPrecision, embed
from tests.helpers.stores import damage

FP32, INT8 = EmbeddingPrecision.fp32, EmbeddingPrecision.int8
TEXTS = [" ".join(["yes", "no", "maybe"][i % 3] for i in range(n)) for n in (3, 40, 7, 0, 200, 12, 12, 25, 60, 1, 41)]
TEXTS[6] += "!"

Embed = Callable[..., NDArray[np.float32]]


@pytest.fixture
def embed_tiny(tiny_bert: Path) -> Embed:
    def embed_texts(
        texts: Sequence[str], precision: EmbeddingPrecision, folder: Path | None = None, budget: int = 60
    ) -> NDArray[np.float32]:
        return embed(texts, tiny_bert, 32, 2, precision, folder, budget)

    return embed_texts


def test_int8_gives_a_text_the_same_bits_in_any_batch(embed_tiny: Embed) -> None:
    together = embed_tiny(TEXTS, INT8)
    assert len(np.unique(together, axis=0)) >= len(TEXTS) - 2  # cut texts may be alike
    np.testing.assert_allclose((together**2).sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(embed_tiny(TEXTS[::-1], INT8, budget=1000)[::-1], together)
    for row in range(len(TEXTS)):
        np.testing.assert_array_equal(embed_tiny(TEXTS[row : row + 1], INT8)[0], together[row])


def test_int8_is_near_fp32(embed_tiny: Embed) -> None:
    cosines = (embed_tiny(TEXTS, INT8) * embed_tiny(TEXTS, FP32)).sum(axis=1)
    assert cosines.min() > 0.999


@pytest.mark.parametrize("precision", [FP32, INT8])
def test_a_stopped_pass_goes_on_and_gives_the_same_bits(
    embed_tiny: Embed, precision: EmbeddingPrecision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = embed_tiny(TEXTS, precision)
    monkeypatch.setattr(embedding_pieces, "PIECE_TOKENS", 50)
    read: list[int] = []
    encode = sentence_embeddings._Reader.embed

    def stop_after(limit: int) -> None:
        def embed_batch(reader: sentence_embeddings._Reader, tokens: Sequence[NDArray[np.int32]]) -> object:
            if len(read) == limit:
                raise KeyboardInterrupt
            read.append(len(tokens))
            return encode(reader, tokens)

        read.clear()
        monkeypatch.setattr(sentence_embeddings._Reader, "embed", embed_batch)

    stop_after(3)
    with pytest.raises(KeyboardInterrupt):
        embed_tiny(TEXTS, precision, tmp_path)
    stored = sorted(tmp_path.glob("*.npy"))
    assert stored
    stop_after(100)
    np.testing.assert_array_equal(embed_tiny(TEXTS, precision, tmp_path), whole)
    assert 0 < sum(read) <= len(TEXTS) - len(stored)

    damage(stored[0], "flipped")
    stop_after(100)
    np.testing.assert_array_equal(embed_tiny(TEXTS, precision, tmp_path), whole)
    assert 0 < sum(read) < len(TEXTS)


def test_a_piece_that_was_cut_elsewhere_is_not_taken(
    embed_tiny: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a version with another budget: a piece of as many texts may hold others."""
    monkeypatch.setattr(embedding_pieces, "PIECE_TOKENS", 1)
    whole = embed_tiny(TEXTS, INT8)
    for budget in (1, 60):  # texts one by one, then some together
        np.testing.assert_array_equal(embed_tiny(TEXTS[::-1], INT8, tmp_path / "other", budget)[::-1], whole)
        np.testing.assert_array_equal(embed_tiny(TEXTS, INT8, tmp_path, budget), whole)


def test_a_long_pass_is_announced_with_what_is_faster(
    embed_tiny: Embed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    embed_tiny(TEXTS, FP32)
    assert not caplog.records
    monkeypatch.setattr(sentence_embeddings, "PROBE_TOKENS", 0)
    embed_tiny(TEXTS, FP32)
    assert not caplog.records  # it was measured to be short
    monkeypatch.setattr(sentence_embeddings, "LONG_SECONDS", 0.0)
    embed_tiny(TEXTS, FP32)
    assert "backbone=wordllama" in caplog.text
    assert "backbone.precision=int8" in caplog.text
    caplog.clear()
    embed_tiny(TEXTS, INT8)
    assert "backbone=wordllama" in caplog.text
    assert "precision" not in caplog.text


def test_progress_tells_speed_and_time_left(
    embed_tiny: Embed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", -1.0)
    with caplog.at_level(logging.INFO, "prefens.core.progress"):
        embed_tiny(TEXTS, FP32)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[-1].startswith("embedding: 100 % of 0.0 million tokens")
    assert all(" a second, " in line and "min left" in line for line in lines)
