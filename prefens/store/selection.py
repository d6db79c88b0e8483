"""Which members of a part of the store are blended."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from prefens.core.errors import StoreError
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)


def select_members(split: SplitStore, names: Sequence[str] = ()) -> list[MemberSpec]:
    """Return the members to blend: those named, or every complete one; a warning names the others.

    Raises
    ------
    StoreError
        Where a member that is named is not stored, or not complete.
    """
    specs = list(split.members())
    unknown = sorted(set(names) - {spec.name for spec in specs})
    if unknown:
        raise StoreError(
            f"no member {', '.join(unknown)}",
            f"names among {', '.join(spec.name for spec in specs)}, or files (.csv, .parquet, .pq)",
            "correct members=",
        )
    complete = []
    for spec in specs:
        missing = sorted(set(range(split.folds.k)) - set(split.finished_folds(spec)))
        if missing and spec.name in names:
            came = f"member {spec.name} lacks folds {missing}"
            raise StoreError(came, "all folds", "train them, or leave the member out")
        if missing:
            log.warning("left out: %s lacks folds %s", spec.name, missing)
        elif not names or spec.name in names:
            complete.append(spec)
    return complete
