"""The backbone of a fold model that is stored without it: which one it was, and where its files are found again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from prefens.core.errors import BackboneError
from prefens.core.files import write_json
from prefens.core.hashing import short
from prefens.members.backbone_files import find_hub, fingerprint

NAME = "backbone.json"


@dataclass(frozen=True)
class BackboneRef:
    """Names a backbone by its content.

    Attributes
    ----------
    name : its hub id; commit : the hub's, or None for a local directory.
    path : the local directory that it was read from, or None for the hub.
    fingerprint : the digest of its weights, config and tokenizer, which its files must have wherever they are found.
    """

    name: str
    commit: str | None
    path: str | None
    fingerprint: str

    @property
    def folder(self) -> str:
        """The name of its folder among backbone files that travel with models."""
        return f"{self.name.rsplit('/', 1)[-1]}-{short(self.fingerprint)}"

    def write(self, model: Path) -> None:
        write_json(model / NAME, asdict(self))

    @classmethod
    def read(cls, model: Path) -> Self | None:
        """Return what was written into a fold model's folder; None for one that holds all its weights."""
        if not (model / NAME).is_file():
            return None
        return cls(**json.loads((model / NAME).read_text("utf-8")))

    def find(self, backbones: Path | None) -> Path:
        """Return the directory of its files: in `backbones`, else the one it was read from, else the hub's.

        BackboneError where they are not found, or have changed.
        """
        directory = self._directory(backbones)
        seen = fingerprint(directory)
        if seen != self.fingerprint:
            raise BackboneError(
                f"the backbone in {directory} has changed: its files have the fingerprint {short(seen)}",
                f"{short(self.fingerprint)}, of the files that the stored model was trained on",
                f"restore the files, or put a copy of them into {self._place(backbones)}",
            )
        return directory

    def _directory(self, backbones: Path | None) -> Path:
        if backbones is not None and (backbones / self.folder).is_dir():
            return backbones / self.folder
        if self.path is not None and Path(self.path).is_dir():
            return Path(self.path)
        if self.commit is not None:
            return find_hub(self.name, self.commit)[0]
        raise BackboneError(
            f"the backbone {self.name} of the stored model is not at {self.path}",
            "the files that its head or its adapters were trained on",
            f"put a copy of them into {self._place(backbones)}",
        )

    def _place(self, backbones: Path | None) -> Path:
        return (backbones or Path("backbones")) / self.folder
