"""Members, the models that are trained: one file per kind, the contract in `base`, the kinds' words in `registry`."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.members.backbone_files import find_hub_model, find_minilm, find_wordllama, fingerprint
    from prefens.members.backbone_ref import BackboneRef
    from prefens.members.base import Context, FitReport, Member, swap_average
    from prefens.members.encoder import EncoderMember
    from prefens.members.minilm import MiniLmMember
    from prefens.members.network import NetworkMember
    from prefens.members.registry import class_of, kinds
    from prefens.members.style import StyleMember, all_features
    from prefens.members.textcnn import TextCnnMember
    from prefens.members.tfidf import TfidfMember
    from prefens.members.wordllama import WordLlamaMember

__all__ = [
    "BackboneRef",
    "Context",
    "EncoderMember",
    "FitReport",
    "Member",
    "MiniLmMember",
    "NetworkMember",
    "StyleMember",
    "TextCnnMember",
    "TfidfMember",
    "WordLlamaMember",
    "all_features",
    "class_of",
    "find_hub_model",
    "find_minilm",
    "find_wordllama",
    "fingerprint",
    "kinds",
    "swap_average",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
