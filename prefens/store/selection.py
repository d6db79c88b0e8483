"""Which members of a part of the store are blended."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from prefens.core.errors import BLEND_AGAIN, StoreError
from prefens.core.typed_json import read_typed
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Member:
    member: str
    backbone: str | None = None


@dataclass(frozen=True)
class _Blend:
    """What is read of a blend.json here."""

    members: list[_Member]


def select_members(split: SplitStore, names: Sequence[str] = ()) -> list[MemberSpec]:
    """Return the members to blend: those named, or every complete one that is no student; a warning names the others.

    Raises
    ------
    StoreError
        Where a member that is named is not stored, or not complete, or where one is damaged.
    """
    stored = split.member_names()
    unknown = sorted(set(names) - set(stored))
    if unknown:
        raise StoreError(
            f"no member {', '.join(unknown)}",
            f"names among {', '.join(stored)}, or files (.csv, .parquet, .pq)",
            "correct members=",
        )
    complete = []
    for spec in map(split.member, [name for name in stored if name in names] if names else stored):
        if spec.is_student and not names:
            log.info("left out: %s learned from a teacher; members= names the students to blend", spec.name)
            continue
        missing = missing_folds(split, spec)
        if missing and names:
            came = f"member {spec.name} lacks folds {missing}"
            raise StoreError(came, "all folds", "train them, or leave the member out")
        if missing:
            log.warning("left out: %s lacks folds %s", spec.name, missing)
        else:
            complete.append(spec)
    return complete


def missing_folds(split: SplitStore, spec: MemberSpec) -> list[int]:
    """Return the folds of a member that are not stored; StoreError where the run.json of another is damaged."""
    return sorted(set(range(split.folds.k)) - set(split.finished_folds(spec)))


def missing_members(split: SplitStore, chosen: Sequence[MemberSpec]) -> dict[str, str]:
    """Return the members of the stored blend that are not among `chosen`, each with what the store lacks of it.

    A file that was blended is no such member; a damaged blend has none, and a warning names it.
    """
    if not split.has_blend():
        return {}
    try:
        blend = read_typed(split.find_blend(), _Blend, "the blend.json of a blend", BLEND_AGAIN)
    except StoreError as error:
        log.warning("the stored blend is damaged: %s", error.came)
        return {}
    missing, stored, names = {}, split.member_names(), [spec.name for spec in chosen]
    for entry in blend.members:
        if entry.member in names or (entry.member in stored and split.member(entry.member).is_student):
            continue
        if entry.member in stored:
            missing[entry.member] = f"lacks folds {missing_folds(split, split.member(entry.member))}"
        elif entry.backbone is not None:
            missing[entry.member] = "is not in the store"
    return missing
