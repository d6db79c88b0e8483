"""Torch modules of pair models: encoders, pooling, heads, adapters, and the fast paths through an encoder."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.members.nn.encoder_features import EncoderFeatures
    from prefens.members.nn.encoder_forward import forward_states
    from prefens.members.nn.frozen_encoder import FrozenEncoder, shared_encoder
    from prefens.members.nn.head_kinds import CnnHead, DavidsonHead, EquivariantHead, Head, LinearHead, MlpHead
    from prefens.members.nn.heads import HeadKind, HeadSettings, make_head
    from prefens.members.nn.lora import Adapters, LoraSettings, add_adapters
    from prefens.members.nn.pair_model import PairModel, pair_batch
    from prefens.members.nn.pairing import Pairing, PairingSettings
    from prefens.members.nn.pooling import Pooling, PoolingLayer
    from prefens.members.nn.pretrained import load_encoder, load_tokenizer
    from prefens.members.nn.textcnn import TextCnn
    from prefens.members.nn.weight_format import Quantization, WeightFormat, WeightType

__all__ = [
    "Adapters",
    "CnnHead",
    "DavidsonHead",
    "EncoderFeatures",
    "EquivariantHead",
    "FrozenEncoder",
    "Head",
    "HeadKind",
    "HeadSettings",
    "LinearHead",
    "LoraSettings",
    "MlpHead",
    "PairModel",
    "Pairing",
    "PairingSettings",
    "Pooling",
    "PoolingLayer",
    "Quantization",
    "TextCnn",
    "WeightFormat",
    "WeightType",
    "add_adapters",
    "forward_states",
    "load_encoder",
    "load_tokenizer",
    "make_head",
    "pair_batch",
    "shared_encoder",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
