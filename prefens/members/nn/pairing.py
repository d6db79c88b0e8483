"""Which token sequences an encoder reads of a pair."""

from dataclasses import dataclass, field
from enum import Enum

from prefens.core.errors import ConfigError
from prefens.core.hashing import neutral


class Pairing(Enum):
    """The two sequences of a pair.

    Attributes
    ----------
    siamese
        Prompt + A and prompt + B, each on its own, with shared weights.
    cross
        Prompt + A + B and prompt + B + A, so that the encoder compares the responses token by token.
    """

    siamese = "siamese"
    cross = "cross"


@dataclass
class PairingSettings:
    """The settings of the group `pairing`.

    Attributes
    ----------
    kind : Pairing
        Which two sequences a pair is.
    second_order_below : float in [0, 1], or None
        A cross pairing predicts from one order of the responses, by their content, and from both only where the
        probabilities that A and that B wins differ by less; None for both orders of every pair.

    Raises
    ------
    ConfigError
        The margin is out of its range, or the pairing is not cross.
    """

    kind: Pairing = Pairing.siamese
    second_order_below: float | None = field(default=None, metadata=neutral(None))

    def __post_init__(self) -> None:
        margin = self.second_order_below
        if margin is not None and not (0.0 <= margin <= 1.0 and self.kind is Pairing.cross):
            raise ConfigError(
                f"pairing.second_order_below={margin} with pairing={self.kind.name}",
                "a difference of probabilities in [0, 1], with pairing=cross",
                "set pairing=cross, or pairing.second_order_below=null",
            )
