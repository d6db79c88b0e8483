"""The fine-tuned encoders of the Hugging Face hub."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from prefens.core.errors import ConfigError
from prefens.core.hashing import NOT_IDENTITY
from prefens.core.types import Pairs
from prefens.members.backbone_files import check_directory, find_hub, fingerprint
from prefens.members.backbone_ref import StoredBackbone
from prefens.members.network import NetworkMember
from prefens.members.network_inputs import TokenReader
from prefens.members.nn.frozen_encoder import FrozenEncoder
from prefens.members.nn.pretrained import (
    empty_encoder,
    load_encoder,
    load_tokenizer,
    longest_sequence,
)
from prefens.members.training.settings import Mode


@dataclass(eq=False)
class EncoderMember(NetworkMember):
    """A Hugging Face encoder, fine-tuned with the pairing and the head of its settings.

    Parameters
    ----------
    name : hub id; path : a local directory that is read instead; revision : a hub commit, to pin the files.
    prompt_prefix, response_prefix : what the backbone was pretrained to see before a query and a passage.
    """

    kind: ClassVar = "encoder"

    path: str | None = field(default=None, metadata=NOT_IDENTITY)  # `identity` has its content
    revision: str | None = None

    def identity(self) -> dict[str, Any]:
        """A local directory is known by its content, a hub model by its commit.

        Whatever the backbone can't do is found here, before anything is trained: ConfigError for longer sequences than
        it reads, BackboneError for what is no encoder.
        """
        if self.path is None:
            commit = find_hub(self.name, self.revision)[1]
            self._check_length()
            return {"commit": commit}
        check_directory(Path(self.path))
        self._check_length()
        return {"files": fingerprint(Path(self.path))}

    def _check_length(self) -> None:
        longest = longest_sequence(self._directory())
        if longest is not None and self.text.max_length > longest:
            raise ConfigError(
                f"text.max_length={self.text.max_length}",
                f"at most {longest}, the positions that {self.name} knows",
                f"set text.max_length={longest}",
            )

    def _directory(self) -> Path:
        return Path(self.path) if self.path is not None else find_hub(self.name, self.revision)[0]

    def _tokenizer_for(self, train: Pairs) -> Any:
        self._check_length()
        return load_tokenizer(self._directory())

    def _backbone(self) -> StoredBackbone:
        commit = None if self.path is not None else find_hub(self.name, self.revision)[1]
        path = None if self.path is None else str(Path(self.path).absolute())
        return StoredBackbone(self.name, commit, path, fingerprint(self._directory()))

    def _encoder(self, reader: TokenReader) -> Any:
        if self.training.mode is Mode.frozen:
            return FrozenEncoder(self._directory(), self.head.learns_pooling)
        return load_encoder(self._directory())

    def _empty_encoder(self, directory: Path, reader: TokenReader) -> Any:
        return empty_encoder(directory)

    def _save_shape(self, directory: Path) -> None:
        if self.model is not None:
            self.model.encoder.config.save_pretrained(directory)

    def _without_places(self) -> dict[str, Any]:
        return {"path": None}
