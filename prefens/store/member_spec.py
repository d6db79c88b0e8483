"""A member as store and trackers know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from prefens.core.hashing import digest
from prefens.core.types import MemberInfo, RunKey


@dataclass(frozen=True)
class MemberSpec:
    """A member as the store knows it.

    Attributes
    ----------
    backbone : its short name, or None where it was made elsewhere.
    kind : the word for its class (`members.registry`), or None likewise.
    recipe : the resolved config that decides predictions, as JSON values; seed : the member's, or None.
    data_digest, fold_digest : what it is trained and scored on.
    external : the name of a member made elsewhere, or None for our own.
    tuned_on_oof : whether its settings were chosen by the out-of-fold rows that it is scored on; not its identity.
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
        return digest(dict(self.recipe))

    @property
    def name(self) -> str:
        return self.external or f"{self.backbone}-{self.recipe_digest[:8]}-s{self.seed}"

    @property
    def info(self) -> MemberInfo:
        return MemberInfo(self.name, self.backbone, self.seed, self.recipe_digest, self.tuned_on_oof)

    def key(self, fold: int) -> RunKey:
        return RunKey(self.recipe_digest, self.seed, fold, self.data_digest, self.fold_digest)
