"""The backbones that a bundle or a saved model lacks: which they are, and where a notebook's inputs have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from prefens.core.errors import BackboneError
from prefens.core.hashing import short
from prefens.core.typed_json import read_typed
from prefens.inference.kaggle_inputs import MARKER, walk_inputs
from prefens.members.backbone_files import backbone_files, fingerprint
from prefens.members.backbone_ref import BackboneRef


@dataclass(frozen=True)
class Attachment:
    """A backbone that lies beside a bundle or a saved model.

    Attributes
    ----------
    name : str
        Its hub id.
    commit : str or None
        The hub's commit, or None for a local directory.
    fingerprint : str
        The digest of its weights, config and tokenizer.
    files : mapping of str to int
        Their sizes in bytes, by name.
    """

    name: str
    commit: str | None
    fingerprint: str
    files: Mapping[str, int]

    @classmethod
    def of(cls, backbone: BackboneRef, directory: Path) -> Self:
        """Return the attachment of a backbone whose files are in a directory."""
        return cls(backbone.name, backbone.commit, backbone.fingerprint, _sizes(directory))

    @property
    def folder(self) -> str:
        """The name that its folder has, for prefens to find it."""
        return BackboneRef(self.name, None, None, self.fingerprint).folder

    @property
    def size(self) -> int:
        """All its files, in bytes."""
        return sum(self.files.values())

    def is_in(self, directory: Path) -> bool:
        """Return whether a directory has its files; the weights are read only where names and sizes agree."""
        return _sizes(directory) == self.files and fingerprint(directory) == self.fingerprint

    def __str__(self) -> str:
        commit = "" if self.commit is None else f" at commit {short(self.commit)}"
        return f"{self.name}{commit}, {self.size / 1e6:.0f} MB, as the folder {self.folder}"


@dataclass(frozen=True)
class _Marker:
    """What is read of a bundle's prefens-bundle.json."""

    attach: Sequence[Attachment] = ()


def link_backbones(bundle: Path, inputs: Path, to: Path) -> None:
    """Put links to the backbones that a bundle needs into a new folder, for `backbones=`.

    They are told by their content: a folder may have any name.

    Parameters
    ----------
    bundle : Path
        The folder with prefens-bundle.json.
    inputs : Path
        Where the backbones are looked for, in all folders below.
    to : Path
        The folder of the links.

    Raises
    ------
    BackboneError
        Some are missing; all of them are named.
    StoreError
        prefens-bundle.json is damaged.
    """
    wanted = read_typed(bundle / MARKER, _Marker, "what `make kaggle` wrote", "make the bundle again").attach
    folders = [path for path, files in walk_inputs(inputs) if "config.json" in files] if wanted else []
    to.mkdir(parents=True, exist_ok=True)
    missing = []
    for each in wanted:
        directory = next((folder for folder in folders if each.is_in(folder)), None)
        if directory is None:
            missing.append(str(each))
        elif not (to / each.folder).is_dir():
            (to / each.folder).symlink_to(directory.resolve())
    if missing:
        listed = "".join(f"\n    {folder}: {short(fingerprint(folder))}" for folder in folders)
        raise BackboneError(
            f"no folder below {inputs} has the files of {'; '.join(missing)}; it has the models:{listed or ' none'}",
            "the backbones that the bundle's members were trained on, file by file",
            "attach them as models or data sets",
        )


def _sizes(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in backbone_files(directory)}
