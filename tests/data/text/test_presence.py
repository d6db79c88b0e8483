"""Sets of columns multiply as the matrix of zeros and ones that they stand for, in blocks and in threads."""

import numpy as np
import pytest
from scipy import sparse

from prefens.data.text import presence
from prefens.data.text.presence import Presence, ranges


@pytest.mark.parametrize("block_size", [1, 20, 10_000])
@pytest.mark.parametrize("threads", [1, 2])
def test_products_are_those_of_the_matrix(
    block_size: int, threads: int, generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "BLOCK_SIZE", block_size)
    monkeypatch.setattr(presence, "thread_count", lambda: threads)
    dense = (generator.random((30, 12)) < 0.3) * 1.0
    dense[[0, 7, 29]] = 0.0
    whole = Presence.stack([Presence.of(sparse.csr_matrix(part)) for part in (dense[:11] * 3, dense[11:])])
    for rows in (np.arange(30), np.array([7, 5, 5, 29, 0]), np.arange(0)):
        part, expected = whole.take(rows), dense[rows]
        weights, values = generator.normal(size=12), generator.normal(size=len(rows))
        np.testing.assert_allclose(part.sums(weights), expected @ weights, atol=1e-12)
        np.testing.assert_allclose(part.totals(values), expected.T @ values, atol=1e-12)
        np.testing.assert_array_equal(part.matrix().toarray(), expected)
        assert len(part) == len(rows)


def test_bits_do_not_depend_on_threads(generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "BLOCK_SIZE", 50)
    whole = Presence.of(sparse.random(60, 9, 0.5, format="csr", rng=generator))
    values, results = generator.normal(size=60), []
    for threads in (1, 3):
        monkeypatch.setattr(presence, "thread_count", lambda threads=threads: threads)
        results.append(whole.totals(values))
    np.testing.assert_array_equal(*results)


def test_ranges() -> None:
    assert ranges(np.array([5, 0, 2]), np.array([2, 0, 3])).tolist() == [5, 6, 2, 3, 4]
    assert ranges(np.arange(0), np.arange(0)).tolist() == []
