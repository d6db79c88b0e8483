"""Embeddings of many texts in pieces, each in a file, so that a process that was stopped goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prefens.core.hashing import digest, short
from prefens.core.tensors import cached_npy, save_npy

PIECE_TOKENS = 200_000  # about a minute without fast units


@dataclass(frozen=True)
class Piece:
    """Some batches of texts.

    Attributes
    ----------
    batches : list of list of int
        The rows of the texts in each batch.
    folder : Path or None
        Where the file of their embeddings lies, or None to keep none.
    """

    batches: list[list[int]]
    folder: Path | None

    @property
    def path(self) -> Path | None:
        """The file, which is named by the rows in it: another version may cut other pieces."""
        return None if self.folder is None else self.folder / f"{short(digest(self.batches))}.npy"

    @property
    def rows(self) -> list[int]:
        """The rows of all texts of the piece, in the order of the file."""
        return [row for batch in self.batches for row in batch]

    def restore(self, embeddings: NDArray[np.float32]) -> bool:
        """Fill the piece's rows of (n, d) embeddings from its file; return whether there is a sound one."""
        if (path := self.path) is None:
            return False
        stored = cached_npy(path, (len(self.rows), embeddings.shape[1]), np.float32)
        if stored is not None:
            embeddings[self.rows] = stored
        return stored is not None

    def save(self, embeddings: NDArray[np.float32]) -> None:
        """Write the piece's rows of (n, d) embeddings."""
        if (path := self.path) is not None:
            save_npy(path, embeddings[self.rows])


def cut_pieces(batches: Sequence[list[int]], tokens: Sequence[int], folder: Path | None) -> list[Piece]:
    """Return pieces of about PIECE_TOKENS tokens each; batches stay whole, so cutting changes no bit.

    Parameters
    ----------
    batches : sequence of list of int
        The rows of the texts in each batch.
    tokens : sequence of int
        Tokens of each batch.
    folder : Path or None
        Where the files of the pieces lie, or None to keep none.
    """
    pieces: list[Piece] = []
    size = PIECE_TOKENS
    for batch, count in zip(batches, tokens, strict=True):
        if size >= PIECE_TOKENS:
            pieces.append(Piece([], folder))
            size = 0
        pieces[-1].batches.append(batch)
        size += count
    return pieces
