"""The heads: from a pair's one or two vectors to the logits of the outcomes.

A head reads token states into vectors first (`read`), since some convolve or weigh them. Where a pair has two
vectors, they are those of the sequences in which A, and in which B, is the response or goes first.
"""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from torch import nn

from prefens.core.types import Outcome, n_outcomes
from prefens.members.nn.convolutions import Convolutions
from prefens.members.nn.pooling import Pool


class Head(nn.Module):
    """A head on pooled states of `pool`, and `style` numbers beside each vector.

    A fresh one gives the same logits to all pairs: its last layer's weights are zero, and its first steps, in which
    Adam moves every weight alike, are not spent on undoing random ones.

    Attributes
    ----------
    symmetric : whether swapping the two vectors swaps the logits of A and B, for any weights; it needs both of them.
    vectors : how many it reads, 1 or 2.
    """

    symmetric: ClassVar[bool] = False
    body: nn.Sequential

    def __init__(self, pool: Pool, style: int, vectors: int) -> None:
        super().__init__()
        self.pool, self.vectors = pool, vectors
        self.size = pool.size + style

    def read(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (m, pool.size) vectors from (m, t, d) token states and their (m, t) mask; pooled in fp32."""
        pooled: torch.Tensor = self.pool(states.float(), mask)
        return pooled

    @torch.no_grad()
    def init_to_prior(self, side: float, tie: float) -> None:
        """Have a fresh head give all pairs the logits `side` for A and for B, and `tie`, but for what cancels."""
        wanted = [tie if outcome is Outcome.TIE else side for outcome in Outcome]
        cast(nn.Linear, self.body[-1]).bias.copy_(torch.tensor(wanted))


class LinearHead(Head):
    """Logits that are linear in the concatenated vectors."""

    def __init__(self, pool: Pool, style: int, vectors: int, dropout: float) -> None:
        super().__init__(pool, style, vectors)
        self.body = nn.Sequential(nn.Dropout(dropout), _last(vectors * self.size, n_outcomes()))

    def forward(self, *vectors: torch.Tensor) -> torch.Tensor:
        """Return (n, K) logits for one or two (n, size) vectors."""
        logits: torch.Tensor = self.body(torch.cat(vectors, dim=1))
        return logits


class MlpHead(Head):
    """One hidden layer on the concatenated vectors."""

    def __init__(self, pool: Pool, style: int, vectors: int, hidden: int, dropout: float) -> None:
        super().__init__(pool, style, vectors)
        self.body = _two_layers(vectors * self.size, hidden, n_outcomes(), dropout)

    def forward(self, *vectors: torch.Tensor) -> torch.Tensor:
        """Return (n, K) logits for one or two (n, size) vectors."""
        logits: torch.Tensor = self.body(torch.cat(vectors, dim=1))
        return logits


class CnnHead(MlpHead):
    """As `MlpHead`, on states that convolutions have gone over; `pool` is of their channels."""

    def __init__(
        self, convolutions: Convolutions, pool: Pool, style: int, vectors: int, hidden: int, dropout: float
    ) -> None:
        super().__init__(pool, style, vectors, hidden, dropout)
        self.convolutions = convolutions

    def read(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().read(self.convolutions(states, mask), mask)


class EquivariantHead(Head):
    """Logits f(a, b), f(b, a) and g(a, b) + g(b, a): swapping a and b swaps the first two, for any weights."""

    symmetric = True

    def __init__(self, pool: Pool, style: int, hidden: int, dropout: float) -> None:
        super().__init__(pool, style, 2)
        self.body = _two_layers(4 * self.size, hidden, 2, dropout)

    @torch.no_grad()
    def init_to_prior(self, side: float, tie: float) -> None:
        cast(nn.Linear, self.body[-1]).bias.copy_(torch.tensor([side, tie / 2.0]))  # it is added up over both orders

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return (n, K) logits for two (n, size) vectors."""
        there, back = self._score(a, b), self._score(b, a)
        return _in_order(there[:, 0], back[:, 0], there[:, 1] + back[:, 1])

    def _score(self, own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.body(torch.cat([own, other, own - other, own * other], dim=1))
        return scores


class DavidsonHead(Head):
    """A reward r for each response and one tie parameter nu: logits r_a, r_b and (r_a + r_b) / 2 + log nu.

    Davidson 1970, "On extending the Bradley-Terry model to accommodate ties in paired comparison experiments",
    section 2, with exp(r) as the strengths. In a cross pairing, the reward is that of the response that goes first.
    """

    symmetric = True

    def __init__(self, pool: Pool, style: int, hidden: int, dropout: float) -> None:
        super().__init__(pool, style, 2)
        self.body = _two_layers(self.size, hidden, 1, dropout, bias=False)  # it would cancel in the softmax
        self.log_nu = nn.Parameter(torch.zeros(()))

    @torch.no_grad()
    def init_to_prior(self, side: float, tie: float) -> None:
        self.log_nu.fill_(tie - side)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return (n, K) logits for two (n, size) vectors."""
        reward_a, reward_b = self.body(a)[:, 0], self.body(b)[:, 0]
        return _in_order(reward_a, reward_b, (reward_a + reward_b) / 2 + self.log_nu)


def _last(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    """Return a layer of zeros, after drawing as many random numbers as any other."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    for weight in layer.parameters():
        nn.init.zeros_(weight)
    return layer


def _two_layers(inputs: int, hidden: int, outputs: int, dropout: float, bias: bool = True) -> nn.Sequential:
    last = _last(hidden, outputs, bias)
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, hidden), nn.GELU(), nn.Dropout(dropout), last)


def _in_order(a_wins: torch.Tensor, b_wins: torch.Tensor, tie: torch.Tensor) -> torch.Tensor:
    logits = {Outcome.A_WINS: a_wins, Outcome.B_WINS: b_wins, Outcome.TIE: tie}
    return torch.stack([logits[outcome] for outcome in Outcome], dim=1)
