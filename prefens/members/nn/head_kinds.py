"""The heads: from the one or two vectors of a pair to the logits of its outcomes.

A head first pools token states (`pool`), since some heads convolve or weigh them. Where a pair has two vectors, the
first is that of the sequence in which A is the response or comes first, the second that of B.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from torch import nn

from prefens.core.types import Outcome
from prefens.members.nn.convolutions import Convolutions
from prefens.members.nn.pooling import PoolingLayer


class Head(nn.Module):
    """Base class of heads: pooling, then layers on the pooled vectors and the style features beside them.

    A new head gives the same logits to all pairs: its last layer's weights are zero, so its first steps, in which Adam
    moves every weight by the same amount, are not spent on undoing random ones.

    Parameters
    ----------
    pooling_layer : PoolingLayer
        Makes a vector of each sequence's token states.
    n_style : int
        The number of style features beside each vector.
    n_vectors : int
        The number of vectors that `forward` takes, 1 or 2.
    n_outcomes : int
        K: 3, or 2 where there are no ties; what only serves ties is left out then.

    Attributes
    ----------
    symmetric : bool
        Whether swapping the two vectors swaps the logits of A and B, whatever the weights. Needs two vectors.
    size : int
        The size of each vector with its style features.
    body : nn.Sequential
        The layers that are trained; the last one is linear.
    """

    symmetric: ClassVar[bool] = False
    body: nn.Sequential

    def __init__(self, pooling_layer: PoolingLayer, n_style: int, n_vectors: int, n_outcomes: int) -> None:
        super().__init__()
        self.pooling_layer, self.n_vectors, self.n_outcomes = pooling_layer, n_vectors, n_outcomes
        self.size = pooling_layer.size + n_style

    def pool(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (m, pooling_layer.size) float32 vectors of (m, t, d) token states and their (m, t) mask."""
        pooled: torch.Tensor = self.pooling_layer(states.float(), mask)
        return pooled

    @torch.no_grad()
    def init_to_prior(self, log_prior: Sequence[float]) -> None:
        """Set the biases of a new head so that it predicts the class prior for every pair.

        Parameters
        ----------
        log_prior : sequence of K float
            The log probabilities of the outcomes; those of A and B are equal.
        """
        cast(nn.Linear, self.body[-1]).bias.copy_(torch.tensor(log_prior))


class LinearHead(Head):
    """Logits that are linear in the concatenated vectors.

    Parameters
    ----------
    pooling_layer : PoolingLayer
        As in `Head`.
    n_style, n_vectors, n_outcomes : int
        As in `Head`.
    dropout : float in [0, 1)
        The share of the inputs that a training step drops.
    """

    def __init__(
        self, pooling_layer: PoolingLayer, n_style: int, n_vectors: int, n_outcomes: int, dropout: float
    ) -> None:
        super().__init__(pooling_layer, n_style, n_vectors, n_outcomes)
        self.body = nn.Sequential(nn.Dropout(dropout), _zero_linear(n_vectors * self.size, n_outcomes))

    def forward(self, *vectors: torch.Tensor) -> torch.Tensor:
        """Return (n, K) logits for one or two (n, size) vectors."""
        logits: torch.Tensor = self.body(torch.cat(vectors, dim=1))
        return logits


class MlpHead(Head):
    """One hidden layer, or none, on the concatenated vectors.

    Parameters
    ----------
    pooling_layer : PoolingLayer
        As in `Head`.
    n_style, n_vectors, n_outcomes : int
        As in `Head`.
    hidden : int
        Hidden units, 0 for none.
    dropout : float in [0, 1)
        The share of the inputs and of the hidden units that a training step drops.
    """

    def __init__(
        self, pooling_layer: PoolingLayer, n_style: int, n_vectors: int, n_outcomes: int, hidden: int, dropout: float
    ) -> None:
        super().__init__(pooling_layer, n_style, n_vectors, n_outcomes)
        self.body = _mlp(n_vectors * self.size, hidden, n_outcomes, dropout)

    def forward(self, *vectors: torch.Tensor) -> torch.Tensor:
        """Return (n, K) logits for one or two (n, size) vectors."""
        logits: torch.Tensor = self.body(torch.cat(vectors, dim=1))
        return logits


class CnnHead(MlpHead):
    """Convolutions over the token states, pooling of their channels, then one hidden layer.

    Parameters
    ----------
    convolutions : Convolutions
        Read the token states; `pooling_layer` reads their channels.
    pooling_layer : PoolingLayer
        As in `Head`.
    n_style, n_vectors, n_outcomes : int
        As in `Head`.
    hidden : int
        Hidden units, 0 for none.
    dropout : float in [0, 1)
        As in `MlpHead`.
    """

    def __init__(
        self,
        convolutions: Convolutions,
        pooling_layer: PoolingLayer,
        n_style: int,
        n_vectors: int,
        n_outcomes: int,
        hidden: int,
        dropout: float,
    ) -> None:
        super().__init__(pooling_layer, n_style, n_vectors, n_outcomes, hidden, dropout)
        self.convolutions = convolutions

    def pool(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().pool(self.convolutions(states, mask), mask)


class EquivariantHead(Head):
    """Logits f(a, b), f(b, a) and g(a, b) + g(b, a): swapping a and b swaps the first two, whatever the weights.

    Parameters
    ----------
    pooling_layer : PoolingLayer
        As in `Head`.
    n_style, n_outcomes : int
        As in `Head`.
    hidden : int
        Hidden units, 0 for none.
    dropout : float in [0, 1)
        As in `MlpHead`.
    """

    symmetric = True

    def __init__(self, pooling_layer: PoolingLayer, n_style: int, n_outcomes: int, hidden: int, dropout: float) -> None:
        super().__init__(pooling_layer, n_style, 2, n_outcomes)
        self.body = _mlp(4 * self.size, hidden, n_outcomes - 1, dropout)

    @torch.no_grad()
    def init_to_prior(self, log_prior: Sequence[float]) -> None:
        win, _, *ties = log_prior
        bias = torch.tensor([win, *(tie / 2.0 for tie in ties)])  # the tie's is added up over both orders
        cast(nn.Linear, self.body[-1]).bias.copy_(bias)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return (n, K) logits for two (n, size) vectors."""
        ab, ba = self._scores(a, b), self._scores(b, a)
        return torch.stack([ab[:, 0], ba[:, 0], *(ab[:, 1:] + ba[:, 1:]).unbind(1)], dim=1)

    def _scores(self, own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Return (n, K - 1): f, and g where there are ties, of two (n, size) vectors."""
        scores: torch.Tensor = self.body(torch.cat([own, other, own - other, own * other], dim=1))
        return scores


class DavidsonHead(Head):
    """A reward r for each response and one tie parameter nu: logits r_a, r_b and (r_a + r_b) / 2 + log nu.

    With two outcomes there is no nu, and this is Bradley and Terry's model.

    Davidson 1970, "On extending the Bradley-Terry model to accommodate ties in paired comparison experiments",
    section 2, with exp(r) as the strengths. In a cross pairing, the reward is that of the response that comes first.

    Parameters
    ----------
    pooling_layer : PoolingLayer
        As in `Head`.
    n_style, n_outcomes : int
        As in `Head`.
    hidden : int
        Hidden units, 0 for none.
    dropout : float in [0, 1)
        As in `MlpHead`.
    """

    symmetric = True

    def __init__(self, pooling_layer: PoolingLayer, n_style: int, n_outcomes: int, hidden: int, dropout: float) -> None:
        super().__init__(pooling_layer, n_style, 2, n_outcomes)
        self.body = _mlp(self.size, hidden, 1, dropout, bias=False)  # a bias would cancel in the softmax
        self.log_nu = _log_nu(n_outcomes)

    @torch.no_grad()
    def init_to_prior(self, log_prior: Sequence[float]) -> None:
        _fill_log_nu(self.log_nu, log_prior)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return (n, K) logits for two (n, size) vectors."""
        return _davidson_logits(self.body(a)[:, 0], self.body(b)[:, 0], self.log_nu)


class RewardHead(Head):
    """The scalar score of a reward model, with a scale and a tie parameter: Davidson's logits of the scaled scores.

    Attributes
    ----------
    score : nn.Linear
        The reward model's own, from a vector to its score.
    scale, log_nu : nn.Parameter, scalars
        Factor on the scores, and the logarithm of the tie parameter; None for two outcomes.

    Parameters
    ----------
    pooling_layer : PoolingLayer
        As in `Head`.
    n_outcomes : int
        As in `Head`.
    """

    symmetric = True

    def __init__(self, pooling_layer: PoolingLayer, n_outcomes: int) -> None:
        super().__init__(pooling_layer, 0, 2, n_outcomes)
        self.score = nn.Linear(self.size, 1, bias=False)
        self.scale, self.log_nu = nn.Parameter(torch.ones(())), _log_nu(n_outcomes)

    @torch.no_grad()
    def init_to_prior(self, log_prior: Sequence[float]) -> None:
        _fill_log_nu(self.log_nu, log_prior)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return (n, K) logits for two (n, size) vectors."""
        return _davidson_logits(self.scale * self.score(a)[:, 0], self.scale * self.score(b)[:, 0], self.log_nu)


def _zero_linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    """Return a linear layer of zeros; torch's generator advances as for a random one."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    for weight in layer.parameters():
        nn.init.zeros_(weight)
    return layer


def _mlp(inputs: int, hidden: int, outputs: int, dropout: float, bias: bool = True) -> nn.Sequential:
    if not hidden:
        return nn.Sequential(nn.Dropout(dropout), _zero_linear(inputs, outputs, bias))
    last = _zero_linear(hidden, outputs, bias)
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, hidden), nn.GELU(), nn.Dropout(dropout), last)


def _log_nu(n_outcomes: int) -> nn.Parameter | None:
    """Return a new tie parameter's logarithm, or None where there are no ties."""
    return None if n_outcomes == 2 else nn.Parameter(torch.zeros(()))


def _fill_log_nu(log_nu: nn.Parameter | None, log_prior: Sequence[float]) -> None:
    if log_nu is not None:
        log_nu.fill_(log_prior[Outcome.TIE] - log_prior[Outcome.A_WINS])


def _davidson_logits(a: torch.Tensor, b: torch.Tensor, log_nu: nn.Parameter | None) -> torch.Tensor:
    """Return (n, K) logits from the (n,) rewards of A and B, and the tie parameter's logarithm."""
    return torch.stack([a, b] if log_nu is None else [a, b, (a + b) / 2 + log_nu], dim=1)
