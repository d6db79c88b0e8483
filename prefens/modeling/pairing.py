"""How an encoder reads a pair."""

from dataclasses import dataclass
from enum import Enum


class Pairing(Enum):
    """siamese: prompt + A and prompt + B, each on its own, with shared weights."""

    siamese = "siamese"


@dataclass
class PairingSettings:
    """kind: one of `Pairing`."""

    kind: Pairing = Pairing.siamese
