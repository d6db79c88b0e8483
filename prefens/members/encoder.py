"""The `encoder` member: an encoder or a causal model of the Hugging Face hub, fine-tuned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch

from prefens.core.errors import ConfigError
from prefens.core.hashing import NOT_IDENTITY, neutral
from prefens.core.types import Pairs
from prefens.members.backbone_files import check_directory, find_hub_model, find_in_folders, fingerprint
from prefens.members.backbone_ref import BackboneRef
from prefens.members.network import NetworkMember
from prefens.members.network_inputs import TokenReader
from prefens.members.nn.backbone_checks import check_backbone, load_score
from prefens.members.nn.frozen_encoder import FrozenEncoder
from prefens.members.nn.head_kinds import RewardHead
from prefens.members.nn.heads import HeadKind
from prefens.members.nn.pair_model import PairModel
from prefens.members.nn.pairing import Pairing
from prefens.members.nn.pretrained import (
    encoder_from_config,
    is_causal,
    load_encoder,
    load_tokenizer,
    max_sequence_length,
    meta_model,
    read_config,
)
from prefens.members.nn.weight_format import Quantization, WeightFormat, WeightType, require_bitsandbytes
from prefens.members.training.dataset import Examples
from prefens.members.training.distributed import device
from prefens.members.training.memory import log_memory
from prefens.members.training.precision import Precision, compute_dtype
from prefens.members.training.reward import calibrate
from prefens.members.training.settings import Mode, OptimizerKind


@dataclass(eq=False)
class EncoderMember(NetworkMember):
    """A Hugging Face encoder or causal model, fine-tuned with the pairing and the head of its settings.

    A causal model is read without its language head, in the text frame of `text`.

    Parameters
    ----------
    name : str
        The hub id.
    text : TextSettings
        What of the texts is read.
    pairing : PairingSettings
        Which two sequences a pair is.
    head : HeadSettings
        From token states to logits.
    training : TrainingSettings
        How the weights are trained.
    prompt_prefix, response_prefix : str
        What is put before each prompt and each response.
    path : str or None
        A local directory that is read instead of the hub.
    revision : str or None
        A hub commit, to pin the files; None for the newest.
    reward : bool
        Whether the backbone is a reward model, whose scalar score is the initial reward: training=frozen fits its scale
        and a tie parameter alone.
    dtype : WeightType
        How the weights of a backbone that is not trained are held.
    quant : Quantization or None
        In how few bits its linear layers are held; needs CUDA and bitsandbytes.
    layers : int, at least 1, or None
        The layers that are read, from the lowest; None for all.
    """

    kind: ClassVar = "encoder"

    path: str | None = field(default=None, metadata=NOT_IDENTITY)  # `identity` has its content
    revision: str | None = None
    reward: bool = field(default=False, metadata=neutral(False))
    dtype: WeightType = field(default=WeightType.fp32, metadata=neutral("fp32"))
    quant: Quantization | None = field(default=None, metadata=neutral(None))
    layers: int | None = field(default=None, metadata=neutral(None))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers is not None and self.layers < 1:
            raise ConfigError(f"backbone.layers={self.layers}", "1 or more", "correct backbone.layers")

    def use_backbones(self, folders: Sequence[Path]) -> None:
        directory = next(find_in_folders(folders, self.name), None)
        if self.path is None and directory is not None:
            self.path = str(directory)

    def resolve(self) -> None:
        self._check_weights()  # before anything is fetched
        directory = self._directory()
        parameters = sum(weight.numel() for weight in meta_model(directory, self.layers).parameters())
        self.resolve_settings(is_causal(directory), self.reward, parameters)
        if read_config(directory).model_type.startswith("gemma3"):
            self._check_fp16()
        if self.reward:
            self._check_reward()
            self.head = replace(self.head, hidden=0)  # the reward model's own score has none

    def _check_weights(self) -> None:
        """Refuse weights in fewer bits that are trained, and what this machine can't do."""
        if self.training.mode is Mode.full and not self._weight_format().exact:
            quant = "null" if self.quant is None else self.quant.name
            raise ConfigError(
                f"backbone.dtype={self.dtype.name} backbone.quant={quant} with training=full",
                "trained weights in fp32: updates in bf16 are lost in its rounding",
                "set training=lora, or backbone.dtype=fp32 backbone.quant=null",
            )
        if self.quant is not None:
            require_bitsandbytes(f"backbone.quant={self.quant.name}", "set backbone.quant=null backbone.dtype=bf16")
        if self.training.optimizer is OptimizerKind.adamw_8bit:
            require_bitsandbytes("training.optimizer=adamw_8bit", "set training.optimizer=adamw")

    def _check_fp16(self) -> None:
        for setting, chosen in (
            ("training.precision=fp16", self.training.precision is Precision.fp16),
            ("backbone.dtype=fp16", self.dtype is WeightType.fp16),
        ):
            if chosen:
                came = f"{setting} with {self.name}, a Gemma-3, which overflows it"
                do = "set training.precision=auto backbone.dtype=bf16"
                raise ConfigError(came, "bf16, or fp32 where a GPU has no bf16", do)

    def _check_reward(self) -> None:
        if self.pairing.kind is not Pairing.siamese or self.head.kind is not HeadKind.davidson or self.head.style:
            raise ConfigError(
                f"backbone.reward=true with pairing={self.pairing.kind.name} head={self.head.kind.name} "
                f"head.style={str(self.head.style).lower()}",
                "a reward of each response on its own: pairing=siamese head=davidson head.style=null",
                "set them so, or backbone.reward=false",
            )

    def identity(self) -> dict[str, Any]:
        """Return the digest of a local directory's files, or the commit of a hub model.

        Raises
        ------
        BackboneError
            The backbone is missing, damaged, or of no kind that can be used.
        ConfigError
            `text.max_length` is longer than the encoder reads.
        """
        if self.path is not None:
            check_directory(Path(self.path))
        self._check_length()
        check_backbone(self._directory())
        if self.reward:
            load_score(self._directory())
        if self.path is None:
            return {"commit": find_hub_model(self.name, self.revision)[1]}
        return {"files": fingerprint(Path(self.path))}

    def _check_length(self) -> None:
        longest = max_sequence_length(self._directory())
        if longest is not None and self.text.max_length > longest:
            raise ConfigError(
                f"text.max_length={self.text.max_length}",
                f"at most {longest}, the positions that {self.name} has",
                f"set text.max_length={longest}",
            )

    def _directory(self) -> Path:
        return Path(self.path) if self.path is not None else find_hub_model(self.name, self.revision)[0]

    def _make_tokenizer(self, train: Pairs) -> Any:
        self._check_length()
        return load_tokenizer(self._directory())

    def _backbone_ref(self) -> BackboneRef:
        commit = None if self.path is not None else find_hub_model(self.name, self.revision)[1]
        path = None if self.path is None else str(Path(self.path).absolute())
        return BackboneRef(self.name, commit, path, fingerprint(self._directory()))

    def _pair_model(self, encoder: Any, reader: TokenReader) -> PairModel:
        model = super()._pair_model(encoder, reader)
        if self.reward:
            model.head = RewardHead(model.head.pooling_layer, self.n_outcomes)
            model.head.score.requires_grad_(self.training.mode is not Mode.frozen)
        return model

    def _start_head(self, model: PairModel, examples: Examples) -> None:
        if isinstance(model.head, RewardHead):
            with torch.no_grad():
                model.head.score.weight.copy_(load_score(self._directory()))
            calibrate(model, examples, self.training)

    def _finish_head(self, model: PairModel, examples: Examples) -> None:
        if isinstance(model.head, RewardHead) and self.training.mode is Mode.frozen:
            calibrate(model, examples, self.training)  # steps of a fixed length miss the scale of large scores

    def _make_encoder(self, reader: TokenReader) -> Any:
        form = self._weight_format()
        log_memory(self._directory(), self.training, form, self.text.max_length, device())
        if self.training.mode is Mode.frozen:
            return FrozenEncoder(self._directory(), self.head.learns_pooling, form)
        return load_encoder(self._directory(), form)

    def _weight_format(self) -> WeightFormat:
        dtype = compute_dtype(self.training.precision, device())
        products = torch.bfloat16 if dtype is torch.bfloat16 else torch.float32  # fp16 is for prediction, by autocast
        return WeightFormat(self.dtype, self.quant, self.layers, products)

    def _encoder_from_config(self, directory: Path, reader: TokenReader) -> Any:
        return encoder_from_config(directory)

    def _save_config(self, directory: Path) -> None:
        if self.model is not None:
            self.model.encoder.config.save_pretrained(directory)

    def _local_fields(self) -> dict[str, Any]:
        return {"path": None}
