"""What killed processes leave under a tracking root, deleted by the next command: nothing that a living one holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prefens.core.errors import StoreError
from prefens.core.files import remove_stale_tmp
from prefens.core.leases.leases import Busy, Holder, acquire, fold_lease, holder_of, is_live
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore


def remove_leftovers(root: Path) -> None:
    """Delete scratch folders of dead processes, and checkpoints of fold runs that were stored since.

    What this user may not read or delete stays.
    """
    for folder in _written_folders(root):
        with suppress(OSError):
            remove_stale_tmp(folder)
    checkpoints = {path.stem: path for path in (root / "checkpoints").glob("*.pt")}
    if checkpoints:
        with suppress(OSError, StoreError):  # what is damaged is named by whoever needs it
            for split in OOFStore(root).splits():
                _remove_checkpoints(split, checkpoints)


def dead_leases(root: Path) -> dict[str, Holder]:
    """Return the leases whose holders have died, by the names of their files."""
    holders = {path: holder_of(path) for path in (root / "locks").glob("*.json")}
    return {path.name: holder for path, holder in holders.items() if holder is not None and not is_live(path, holder)}


def _written_folders(root: Path) -> Iterator[Path]:
    """Yield the folders that processes write into, whatever they work on."""
    yield from (root, root / "locks", root / "checkpoints")
    members, unlabelled = "store/*/members/*", "store/*/unlabelled/*"
    labels = "store/*/soft_labels"
    for pattern in ("cache/*", "store/*", members, f"{members}/nested", unlabelled, f"{unlabelled}/*", labels):
        yield from root.glob(pattern)


def _remove_checkpoints(split: SplitStore, checkpoints: dict[str, Path]) -> None:
    for spec in split.members():
        for fold in range(split.k + 1):
            key = spec.key(fold)
            checkpoint = checkpoints.get(key.digest[:16])
            stored = split.fold_dir(spec.name, fold) / "run.json"
            if checkpoint is None or not stored.exists():
                continue
            with suppress(Busy), acquire(fold_lease(split.root, key), {}):
                if checkpoint.stat().st_mtime <= stored.stat().st_mtime:  # else of a fold run that is trained by force
                    checkpoint.unlink()
