"""Which token sequences an encoder reads of a pair."""

from dataclasses import dataclass
from enum import Enum


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
    """

    kind: Pairing = Pairing.siamese
