"""Sets of columns, one for each row: a sparse matrix of zeros and ones that stores no values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from prefens.core.resources import thread_count
from prefens.core.types import Floats

BLOCK_SIZE = 2**21  # entries at a time: the products need as many ones, which all matrices share
TAKEN_ROWS = 512  # at a time, since the positions of entries need 8 bytes each

Block = tuple[slice, sparse.csr_matrix]


def ranges(first: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return first[0], first[0] + 1, ... (lengths[0] numbers), first[1], ..., one after another."""
    ends = np.cumsum(lengths)
    offsets = first - (ends - lengths)
    numbers: NDArray[np.int64] = np.repeat(offsets, lengths) + np.arange(ends[-1] if len(ends) else 0)
    return numbers


@dataclass(frozen=True, eq=False)
class Presence:
    """A matrix of zeros and ones, shape (n, p).

    Attributes
    ----------
    indices : int32 array, shape (entries,)
        The columns of the ones, row after row.
    starts : int64 array, shape (n + 1,)
        Where each row begins in `indices`.
    width : int
        The number p of columns.
    """

    indices: NDArray[np.int32]
    starts: NDArray[np.int64]
    width: int

    @staticmethod
    def of(matrix: sparse.csr_matrix) -> Presence:
        """Return where a matrix is not zero."""
        matrix.eliminate_zeros()
        return Presence(matrix.indices.astype(np.int32), matrix.indptr.astype(np.int64), matrix.shape[1])

    @staticmethod
    def stack(parts: Sequence[Presence]) -> Presence:
        """Return the rows of matrices with equally many columns, one after another."""
        lengths = np.concatenate([np.diff(part.starts) for part in parts])
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return Presence(np.concatenate([part.indices for part in parts]), starts, parts[0].width)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def sums(self, weights: Floats) -> Floats:
        """Return the (n,) sums of the weights (p,) of each row's columns."""
        return np.concatenate([np.zeros(0), *_in_threads(lambda rows, block: block @ weights, self._blocks)])

    def totals(self, values: Floats) -> Floats:
        """Return the (p,) sums over rows of the values (n,) of those that have each column."""
        totals = np.zeros(self.width)
        for part in _in_threads(lambda rows, block: block.T @ values[rows], self._blocks):
            totals += part
        return totals

    def take(self, rows: NDArray[np.int64]) -> Presence:
        """Return the rows at the positions `rows`."""
        lengths = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        indices = np.empty(starts[-1], dtype=np.int32)
        for first in range(0, len(rows), TAKEN_ROWS):
            some = slice(first, first + TAKEN_ROWS)
            places = ranges(self.starts[rows[some]], lengths[some])
            indices[starts[first] : starts[first] + len(places)] = self.indices[places]
        return Presence(indices, starts, self.width)

    def renumbered(self, numbers: NDArray[np.int32], width: int) -> Presence:
        """Return the same rows with the number `numbers[column]` for each column; there are `width` numbers."""
        return Presence(numbers[self.indices], self.starts, width)

    def matrix(self) -> sparse.csr_matrix:
        """Return the float64 CSR matrix."""
        return sparse.csr_matrix((np.ones(len(self.indices)), self.indices, self.starts), shape=(len(self), self.width))

    @cached_property
    def _blocks(self) -> list[Block]:
        """The matrix in blocks of rows that share their values."""
        edges = np.searchsorted(self.starts, np.arange(0, self.starts[-1], BLOCK_SIZE))
        edges = np.unique([*edges, 0, len(self)])
        ones = _ones(max(2 * BLOCK_SIZE, int(np.diff(self.starts[edges]).max(initial=0))))
        blocks = []
        for first, last in pairwise(edges.tolist()):
            begin, end = self.starts[first], self.starts[last]
            pointers = (self.starts[first : last + 1] - begin).astype(np.int32)
            parts = ones[: end - begin], self.indices[begin:end], pointers
            blocks.append((slice(first, last), sparse.csr_matrix(parts, shape=(last - first, self.width), copy=False)))
        return blocks


@lru_cache(maxsize=1)
def _ones(size: int) -> Floats:
    return np.ones(size)


def _in_threads(work: Callable[..., Floats], blocks: Sequence[Block]) -> Iterator[Floats]:
    """Yield `work(rows, block)` in order, on all threads of this process's share: SciPy's products run side by side."""
    if thread_count() == 1 or len(blocks) < 2:
        yield from (work(*block) for block in blocks)
        return
    with ThreadPoolExecutor(thread_count()) as pool:
        yield from pool.map(lambda block: work(*block), blocks)
