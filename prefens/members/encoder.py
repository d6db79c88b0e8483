"""The fine-tuned encoders of the Hugging Face hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from prefens.errors import ConfigError
from prefens.members.backbones import check_directory, find_hub, fingerprint
from prefens.members.network import NetworkMember
from prefens.members.stored_backbone import StoredBackbone
from prefens.modeling.frozen_encoder import FrozenEncoder
from prefens.modeling.pretrained import (
    empty_encoder,
    load_encoder,
    load_tokenizer,
    longest_sequence,
    outlined_encoder,
)
from prefens.records import Pairs
from prefens.training.settings import Mode


@dataclass(eq=False)
class EncoderMember(NetworkMember):
    """A Hugging Face encoder, fine-tuned with the pairing and the head of its settings.

    Parameters
    ----------
    name : hub id; path : a local directory that is read instead; revision : a hub commit, to pin the files.
    prompt_prefix, response_prefix : what the backbone was pretrained to see before a query and a passage.
    """

    path: str | None = None
    revision: str | None = None

    def identity(self) -> dict[str, Any]:
        """A local directory is known by its content, a hub model by its commit."""
        if self.path is not None:
            return {"files": fingerprint(check_directory(Path(self.path)))}
        return {"commit": find_hub(self.name, self.revision)[1]}

    def _directory(self) -> Path:
        return Path(self.path) if self.path is not None else find_hub(self.name, self.revision)[0]

    def _backbone(self) -> StoredBackbone:
        commit = None if self.path is not None else find_hub(self.name, self.revision)[1]
        path = None if self.path is None else str(Path(self.path).absolute())
        return StoredBackbone(self.name, commit, path, fingerprint(self._directory()))

    def _tokenizer_for(self, train: Pairs) -> Any:
        return load_tokenizer(self._directory())

    def _encoder(self) -> Any:
        frozen = self.training.mode is Mode.frozen
        encoder = (
            FrozenEncoder(self._directory(), self.head.learns_pooling) if frozen else load_encoder(self._directory())
        )
        longest = longest_sequence(outlined_encoder(self._directory()) if frozen else encoder)
        if longest is not None and self.text.max_length > longest:
            raise ConfigError(
                f"text.max_length={self.text.max_length}",
                f"at most {longest}, the positions that {self.name} knows",
                f"set text.max_length={longest}",
            )
        return encoder

    @classmethod
    def _empty_encoder(cls, member: Self, directory: Path) -> Any:
        return empty_encoder(directory)

    def _save_shape(self, directory: Path) -> None:
        if self._model is not None:
            self._model.encoder.config.save_pretrained(directory)

    def _without_places(self) -> dict[str, Any]:
        return {"path": None}
