"""How an encoder reads a pair."""

from dataclasses import dataclass
from enum import Enum


class Pairing(Enum):
    """Which two sequences a pair is.

    siamese: prompt + A and prompt + B, each on its own, with shared weights.
    cross: prompt + A + B and prompt + B + A, so that the encoder compares the responses token by token.
    """

    siamese = "siamese"
    cross = "cross"


@dataclass
class PairingSettings:
    """kind: one of `Pairing`."""

    kind: Pairing = Pairing.siamese
