"""A reference to the backbone of a fold model that is stored without it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from prefens.core.errors import BackboneError
from prefens.core.files import write_json
from prefens.core.hashing import short
from prefens.core.tensors import DO, refusal
from prefens.core.typed_json import read_typed
from prefens.members.backbone_files import find_hub_model, find_in_folders, fingerprint

FILE_NAME = "backbone.json"


@dataclass(frozen=True)
class BackboneRef:
    """Names a backbone, and identifies it by its content.

    Attributes
    ----------
    name : str
        Its hub id.
    commit : str or None
        The hub's commit, or None for a local directory.
    path : str or None
        The local directory that it was read from, or None for the hub.
    fingerprint : str
        The digest of its weights, config and tokenizer, which its files must have in whatever directory.
    """

    name: str
    commit: str | None
    path: str | None
    fingerprint: str

    @property
    def folder(self) -> str:
        """The name of its folder among backbone files that are copied along with models."""
        return f"{self.name.rsplit('/', 1)[-1]}-{short(self.fingerprint)}"

    def write(self, model: Path) -> None:
        """Write the reference into a fold model's folder."""
        write_json(model / FILE_NAME, asdict(self))

    @classmethod
    def read(cls, model: Path) -> Self | None:
        """Return the reference in a fold model's folder, or None where the model holds all its weights.

        Raises
        ------
        StoreError
            A field is missing or of another form.
        """
        path = model / FILE_NAME
        if not path.is_file():
            return None
        reference = read_typed(path, cls, "the reference of a stored model to its backbone", DO)
        if not re.fullmatch("[0-9a-f]{64}", reference.fingerprint):  # it is a part of a folder's name
            raise refusal(path, f"fingerprint is {reference.fingerprint:.80}", "64 hex digits")
        if not reference.name or reference.path == "":  # which would be the working directory
            raise refusal(
                path, f"name is {reference.name!r:.80}, path is {reference.path!r:.80}", "a name, and a path or null"
            )
        return reference

    def find(self, backbones: Sequence[Path]) -> Path:
        """Return the directory of its files: in `backbones`, else the one it was read from, else the hub's.

        Parameters
        ----------
        backbones : sequence of Path
            Folders of backbones, by the last part of their names or as `folder`.

        Raises
        ------
        BackboneError
            The files are missing, or have changed.
        """
        places = [*find_in_folders(backbones, self.folder, self.name)]
        if self.path is not None and Path(self.path).is_dir():
            places.append(Path(self.path))
        directory = next((place for place in places if fingerprint(place) == self.fingerprint), None)
        if directory is None:
            directory = self._hub_directory(backbones) if self.commit or not places else places[0]
        current = fingerprint(directory)
        if current != self.fingerprint:
            raise BackboneError(
                f"the backbone in {directory} has changed: its files have the fingerprint {short(current)}",
                f"{short(self.fingerprint)}, of the files that the stored model was trained on",
                f"restore the files, or put a copy of them into {self._copy_directory(backbones)}",
            )
        return directory

    def _hub_directory(self, backbones: Sequence[Path]) -> Path:
        if self.commit is not None:
            return find_hub_model(self.name, self.commit)[0]
        raise BackboneError(
            f"the backbone {self.name} of the stored model is not at {self.path}",
            "the files that its head or its adapters were trained on",
            f"put a copy of them into {self._copy_directory(backbones)}",
        )

    def _copy_directory(self, backbones: Sequence[Path]) -> Path:
        return (backbones[0] if backbones else Path("backbones")) / self.folder
