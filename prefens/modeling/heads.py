"""Heads: from the two responses' vectors to the logits of the outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import nn

from prefens.modeling.pooling import Pooling
from prefens.records import Outcome


class HeadKind(Enum):
    """Which head."""

    equivariant = "equivariant"


@dataclass
class HeadSettings:
    """kind; pooling of token states; hidden units (1 or more); dropout in [0, 1)."""

    kind: HeadKind = HeadKind.equivariant
    pooling: Pooling = Pooling.mean
    hidden: int = 256
    dropout: float = 0.1


class EquivariantHead(nn.Module):
    """Logits f(a, b), f(b, a) and g(a, b) + g(b, a): swapping a and b swaps the first two, for any weights."""

    def __init__(self, dimension: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(4 * dimension, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, 2)
        )

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return (n, 3) logits in the order of `Outcome` for (n, d) vectors of the two responses."""
        there, back = self._score(a, b), self._score(b, a)
        logits = {Outcome.A_WINS: there[:, 0], Outcome.B_WINS: back[:, 0], Outcome.TIE: there[:, 1] + back[:, 1]}
        return torch.stack([logits[outcome] for outcome in Outcome], dim=1)

    def _score(self, own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.body(torch.cat([own, other, own - other, own * other], dim=1))
        return scores
