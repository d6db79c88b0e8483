"""A member as the store knows it: what it is made by, and the file that says so."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from prefens.core.errors import StoreError
from prefens.core.files import write_json
from prefens.core.fold_run import RunKey
from prefens.core.hashing import digest
from prefens.core.typed_json import read_typed
from prefens.core.types import MemberInfo

log = logging.getLogger(__name__)

TRAIN_AGAIN = "run the same train command again (python -m prefens.train ...): it trains what is damaged anew"
FULL_AGAIN = "run the same train command again with full=true: it trains what is damaged anew"
DESCRIBE_AGAIN = "run the command that made the member again: python -m prefens.train ... or prefens.import_oof ..."


@dataclass(frozen=True)
class MemberSpec:
    """A member as the store knows it.

    Attributes
    ----------
    backbone : str or None
        The short name of its backbone; None for an external member.
    kind : str or None
        The word for its class (`members.registry`); None for an external member.
    recipe : mapping
        The resolved settings that decide predictions, as JSON values.
    seed : int or None
        The seed of the member; None for an external member.
    data_digest, fold_digest : str
        The data and folds that it is trained and scored on, 64 hex digits.
    external : str or None
        The name of an external member; None for one that prefens trains.
    tuned_on_oof : bool
        Whether its settings were chosen by the out-of-fold rows that it is scored on. Not a part of its identity.
    """

    backbone: str | None
    kind: str | None
    recipe: Mapping[str, Any]
    seed: int | None
    data_digest: str
    fold_digest: str
    external: str | None = None
    tuned_on_oof: bool = False

    @cached_property
    def recipe_digest(self) -> str:
        """The digest of the recipe, 64 hex digits."""
        return digest(dict(self.recipe))

    @property
    def name(self) -> str:
        """The name of the member's folder: backbone, recipe and seed, or the name of an external member."""
        return self.external or f"{self.backbone}-{self.recipe_digest[:8]}-s{self.seed}"

    @property
    def is_student(self) -> bool:
        """Whether it learned from a teacher; such a member is blended only where it is named, and never teaches."""
        return self.external is None and "teacher" in self.recipe

    @property
    def taught_on_oof(self) -> bool:
        """Whether its teachers saw the votes of the rows that it is scored on: only its hold-out score is honest."""
        teacher = self.recipe["teacher"] if self.is_student else {}
        return isinstance(teacher, Mapping) and teacher.get("scheme") == "oof"

    @property
    def info(self) -> MemberInfo:
        """What a stack of members says of this one."""
        own = self.name, self.backbone, self.seed, self.recipe_digest
        return MemberInfo(*own, self.tuned_on_oof, self.taught_on_oof)

    def key(self, fold: int) -> RunKey:
        """Return the key of a fold run of this member."""
        return RunKey(self.recipe_digest, self.seed, fold, self.data_digest, self.fold_digest)

    @property
    def remake(self) -> str:
        """What to do where its files are damaged or missing, for errors."""
        if self.external is not None:
            return f"import it again: python -m prefens.import_oof path=FILE {shlex.quote(f'name={self.external}')}"
        return TRAIN_AGAIN


@dataclass(frozen=True)
class _Identity:
    """The part of member.json that must agree with the rest of it."""

    name: str
    recipe_digest: str


EXPECTED = "the member.json of a member"


def write_member(path: Path, spec: MemberSpec) -> None:
    """Write a member.json, in place of one that is damaged.

    Raises
    ------
    StoreError
        Where there is one of another recipe.
    """
    stored = None
    try:
        stored = read_member(path)
    except StoreError as error:
        if path.exists():
            log.warning("%s; writing it again", error.came)
    if stored is not None and stored.recipe_digest != spec.recipe_digest:
        raise StoreError(
            f"{path} holds recipe {stored.recipe_digest}",
            spec.recipe_digest,
            "give another tracking.root: two recipes share a name",
        )
    if stored != spec:
        write_json(path, asdict(spec) | asdict(_Identity(spec.name, spec.recipe_digest)))


def read_member(path: Path) -> MemberSpec:
    """Return the member that a member.json describes.

    Raises
    ------
    StoreError
        Where a field is missing or of another type, where the name is not printable, where the recipe is not the one
        of the folder's name, or where the member is neither trained here nor external.
    """
    spec = read_typed(path, MemberSpec, EXPECTED, DESCRIBE_AGAIN)
    identity = read_typed(path, _Identity, EXPECTED, DESCRIBE_AGAIN)
    if not spec.name.isprintable():
        raise StoreError(f"{path} describes {spec.name!r}", "a name of printable characters", "delete the folder")
    if spec.name != path.parent.name or spec.recipe_digest != identity.recipe_digest:
        raise StoreError(f"{path} describes {spec.name}", path.parent.name, DESCRIBE_AGAIN)
    trained = {"backbone": spec.backbone, "kind": spec.kind, "seed": spec.seed}
    wrong = [name for name, value in trained.items() if (value is None) != (spec.external is not None)]
    if wrong:
        came = (
            f"{path}: external is {spec.external!r}, and {', '.join(f'{name} is {trained[name]!r}' for name in wrong)}"
        )
        raise StoreError(came[:300], f"{EXPECTED}: either external or backbone, kind and seed", DESCRIBE_AGAIN)
    return spec
