"""The `encoder` member: an encoder of the Hugging Face hub, fine-tuned."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from prefens.core.errors import ConfigError
from prefens.core.hashing import NOT_IDENTITY
from prefens.core.types import Pairs
from prefens.members.backbone_files import check_directory, find_hub_model, fingerprint
from prefens.members.backbone_ref import BackboneRef
from prefens.members.network import NetworkMember
from prefens.members.network_inputs import TokenReader
from prefens.members.nn.backbone_checks import check_backbone
from prefens.members.nn.frozen_encoder import FrozenEncoder
from prefens.members.nn.pretrained import encoder_from_config, load_encoder, load_tokenizer, max_sequence_length
from prefens.members.training.settings import Mode


@dataclass(eq=False)
class EncoderMember(NetworkMember):
    """A Hugging Face encoder, fine-tuned with the pairing and the head of its settings.

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
    """

    kind: ClassVar = "encoder"

    path: str | None = field(default=None, metadata=NOT_IDENTITY)  # `identity` has its content
    revision: str | None = None

    def identity(self) -> dict[str, Any]:
        """Return the digest of a local directory's files, or the commit of a hub model.

        Raises
        ------
        BackboneError
            The backbone is missing, damaged, or no encoder.
        ConfigError
            `text.max_length` is longer than the encoder reads.
        """
        if self.path is None:
            commit = find_hub_model(self.name, self.revision)[1]
            self._check_length()
            check_backbone(self._directory())
            return {"commit": commit}
        check_directory(Path(self.path))
        self._check_length()
        check_backbone(Path(self.path))
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

    def _make_encoder(self, reader: TokenReader) -> Any:
        if self.training.mode is Mode.frozen:
            return FrozenEncoder(self._directory(), self.head.learns_pooling)
        return load_encoder(self._directory())

    def _encoder_from_config(self, directory: Path, reader: TokenReader) -> Any:
        return encoder_from_config(directory)

    def _save_config(self, directory: Path) -> None:
        if self.model is not None:
            self.model.encoder.config.save_pretrained(directory)

    def _local_fields(self) -> dict[str, Any]:
        return {"path": None}
