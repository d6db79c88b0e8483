"""Which head a pair model has, and its settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from prefens.core.errors import ConfigError
from prefens.members.nn.convolutions import Convolutions
from prefens.members.nn.head_kinds import CnnHead, DavidsonHead, EquivariantHead, Head, LinearHead, MlpHead
from prefens.members.nn.pairing import Pairing
from prefens.members.nn.pooling import Pool, Pooling


class HeadKind(Enum):
    """Which head; each is described at its class."""

    equivariant = "equivariant"
    linear = "linear"
    mlp = "mlp"
    cnn = "cnn"
    davidson = "davidson"


@dataclass
class HeadSettings:
    """What makes logits of token states; linear has no hidden units, and only cnn has filters.

    kind; pooling of token states; hidden units, 1 or more; dropout in [0, 1); style: whether the head reads the
    style features of a pair beside its vectors; filters of each width, 1 or more; widths: tokens under a filter.
    """

    kind: HeadKind = HeadKind.equivariant
    pooling: Pooling = Pooling.mean
    hidden: int = 256
    dropout: float = 0.1
    style: bool = False
    filters: int = 96
    widths: list[int] = field(default_factory=lambda: [1, 3, 5])

    def __post_init__(self) -> None:
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"head.dropout={self.dropout}", "a share from 0 up to 1, 1 not included", "correct it")
        for name, values in (("hidden", [self.hidden]), ("filters", [self.filters]), ("widths", self.widths)):
            if not values or min(values) < 1:
                raise ConfigError(f"head.{name}={getattr(self, name)}", "1 or more", f"correct head.{name}")

    @property
    def learns_pooling(self) -> bool:
        """Whether a sequence's vector depends on weights of the head, and not on the encoder alone."""
        return self.kind is HeadKind.cnn or self.pooling is Pooling.attention


def make_head(settings: HeadSettings, dimension: int, style: int, pairing: Pairing) -> Head:
    """Return a fresh head on (n, t, dimension) states, with `style` numbers beside each vector."""
    hidden, dropout = settings.hidden, settings.dropout
    vectors = 2 if pairing is Pairing.siamese else 1
    if settings.kind is HeadKind.cnn:
        convolutions = Convolutions(dimension, settings.filters, settings.widths)
        return CnnHead(convolutions, Pool(settings.pooling, convolutions.size), style, vectors, hidden, dropout)
    pool = Pool(settings.pooling, dimension)
    if settings.kind is HeadKind.linear:
        return LinearHead(pool, style, vectors, dropout)
    if settings.kind is HeadKind.mlp:
        return MlpHead(pool, style, vectors, hidden, dropout)
    symmetric = {HeadKind.equivariant: EquivariantHead, HeadKind.davidson: DavidsonHead}[settings.kind]
    made: Head = symmetric(pool, style, hidden, dropout)
    return made
