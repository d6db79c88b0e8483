"""The settings of a pair model's head, and the head that they describe."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import cast

from prefens.core.errors import ConfigError
from prefens.members.nn.convolutions import Convolutions
from prefens.members.nn.head_kinds import CnnHead, DavidsonHead, EquivariantHead, Head, LinearHead, MlpHead
from prefens.members.nn.pairing import Pairing
from prefens.members.nn.pooling import Pooling, PoolingLayer


class HeadKind(Enum):
    """The kinds of heads; each is described at its class in `head_kinds`."""

    equivariant = "equivariant"
    linear = "linear"
    mlp = "mlp"
    cnn = "cnn"
    davidson = "davidson"


@dataclass
class HeadSettings:
    """The settings of the group `head`.

    Attributes
    ----------
    kind : HeadKind
        Which head.
    pooling : Pooling or None
        How token states become one vector per sequence; None for the default of the kind of backbone.
    hidden : int, at least 0
        Hidden units; 0 for none, as linear, so that a davidson head is a linear reward.
    dropout : float in [0, 1)
        The share of the inputs and of the hidden units that a training step drops.
    style : bool or None
        Whether the head reads the style features of a pair beside its vectors; None for all heads but a reward.
    filters : int, at least 1
        Filters of each width; only cnn has them.
    widths : list of int, each at least 1
        Tokens under a filter; only cnn has them.

    Raises
    ------
    ConfigError
        A value is out of its range.
    """

    kind: HeadKind = HeadKind.equivariant
    pooling: Pooling | None = None
    hidden: int = 256
    dropout: float = 0.1
    style: bool | None = False
    filters: int = 96
    widths: list[int] = field(default_factory=lambda: [1, 3, 5])

    def __post_init__(self) -> None:
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"head.dropout={self.dropout}", "a share in [0, 1)", "correct head.dropout")
        for name, values in (("hidden", [self.hidden + 1]), ("filters", [self.filters]), ("widths", self.widths)):
            if not values or min(values) < 1:
                least = "0 or more" if name == "hidden" else "1 or more"
                raise ConfigError(f"head.{name}={getattr(self, name)}", least, f"correct head.{name}")

    def resolved(self, causal: bool, reward: bool = False) -> HeadSettings:
        """Return the settings without None: `last` pools a causal backbone, `mean` any other; a reward has no style.

        Raises
        ------
        ConfigError
            A causal backbone is pooled at its first token, which has read nothing.
        """
        if causal and self.pooling is Pooling.cls:
            raise ConfigError(
                "head.pooling=cls with a causal model, whose first token sees nothing of what follows it",
                "tokens that have read the texts",
                "set head.pooling=last, mean, max_mean or attention",
            )
        pooling = self.pooling or (Pooling.last if causal else Pooling.mean)
        return replace(self, pooling=pooling, style=not reward if self.style is None else self.style)

    @property
    def learns_pooling(self) -> bool:
        """Whether the vector of a sequence depends on weights of the head, and not on the encoder alone."""
        return self.kind is HeadKind.cnn or self.pooling is Pooling.attention

    @property
    def has_rewards(self) -> bool:
        """Whether it gives a response that is read alone a number of its own, whose differences are the log odds."""
        return self.kind is HeadKind.davidson and not self.style


def make_head(settings: HeadSettings, dimension: int, n_style: int, pairing: Pairing, n_outcomes: int = 3) -> Head:
    """Return a new head; its random weights are drawn from torch's generator.

    Parameters
    ----------
    settings : HeadSettings
        Which head, and its sizes.
    dimension : int
        The size d of the encoder's token states.
    n_style : int
        The number of style features beside each vector, 0 for none.
    pairing : Pairing
        A head that is not symmetric reads both vectors of a siamese pairing, and one of a cross pairing.
    n_outcomes : int
        As in `Head`.
    """
    settings = settings.resolved(causal=False)
    hidden, dropout, pooling = settings.hidden, settings.dropout, cast(Pooling, settings.pooling)
    n_vectors = 2 if pairing is Pairing.siamese else 1
    if settings.kind is HeadKind.cnn:
        convolutions = Convolutions(dimension, settings.filters, settings.widths)
        pooling_layer = PoolingLayer(pooling, convolutions.size)
        return CnnHead(convolutions, pooling_layer, n_style, n_vectors, n_outcomes, hidden, dropout)
    pooling_layer = PoolingLayer(pooling, dimension)
    if settings.kind is HeadKind.linear:
        return LinearHead(pooling_layer, n_style, n_vectors, n_outcomes, dropout)
    if settings.kind is HeadKind.mlp:
        return MlpHead(pooling_layer, n_style, n_vectors, n_outcomes, hidden, dropout)
    symmetric = {HeadKind.equivariant: EquivariantHead, HeadKind.davidson: DavidsonHead}[settings.kind]
    head: Head = symmetric(pooling_layer, n_style, n_outcomes, hidden, dropout)
    return head
