"""Leftovers of killed processes are deleted by whoever comes next, and nothing that is still needed."""

import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from prefens.core.files import atomic_write, write_json
from prefens.core.leases.leases import Holder, acquire, fold_lease
from prefens.core.leases.processes import ProcessIdentity
from prefens.core.types import Folds
from prefens.store.leftovers import dead_leases, remove_leftovers
from prefens.store.split_store import SplitStore
from tests.helpers.examples import run_result
from tests.helpers.stores import fill, run_of, spec_of

PLACES = [
    *("mlflow.db", "locks/fold-0.json", "checkpoints/0.pt", "cache/tokens/0", "cache/encoder_features/0.npy"),
    *("store/SPLIT/folds.parquet", "store/SPLIT/model", "store/SPLIT/blend"),
    *("store/SPLIT/members/MEMBER/member.json", "store/SPLIT/members/MEMBER/fold-1"),
    *("store/SPLIT/unlabelled/0/unfinished", "store/SPLIT/unlabelled/0/MEMBER/fold-1.parquet"),
]


@pytest.mark.parametrize("alive", [True, False])
def test_scratch_folders_are_deleted_everywhere_but_those_of_the_living(
    split: SplitStore, folds: Folds, alive: bool
) -> None:
    spec = spec_of(folds)
    split.put_member(spec)
    for place in PLACES:
        path = split.root / place.replace("SPLIT", split.path.name).replace("MEMBER", spec.name)
        with atomic_write(path.with_name("written")) as tmp:
            tmp.write_text("")
            (scratch,) = path.parent.glob(".*.prefens")
            abandoned = path.with_name(scratch.name.replace(".written.", f".{path.name}."))
            abandoned.mkdir()
            (abandoned / path.name).write_text("half")
            if alive:
                remove_leftovers(split.root)
                assert scratch.exists()
        assert abandoned.exists() != alive  # the living one has cleaned up before
    remove_leftovers(split.root)
    assert [path for path in split.root.rglob(".*") if path.name.endswith(".prefens")] == []


def test_checkpoints_of_stored_fold_runs_are_deleted(split: SplitStore, folds: Folds) -> None:
    """A kill between the storing of a fold and the deleting of its checkpoint would leave gigabytes for ever."""
    spec, unfinished = spec_of(folds), spec_of(folds, seed=1)
    keys = {"stored": spec.key(0), "by force": spec.key(1), "held": spec.key(2), "unfinished": unfinished.key(0)}
    keys["full fit"] = spec.key(folds.k)
    checkpoints = {name: split.root / "checkpoints" / f"{key.digest[:16]}.pt" for name, key in keys.items()}
    for path in checkpoints.values():
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
        os.utime(path, (0, 0))
    fill(split, folds, spec)
    split.put(spec, run_of(folds, spec, folds.k), run_result(), lambda directory: None)
    split.put_member(unfinished)
    os.utime(checkpoints["by force"])  # of a training that began after the fold was stored
    later = (split.fold_dir(spec.name, 1) / "run.json").stat().st_mtime + 1
    os.utime(checkpoints["by force"], (later, later))
    with acquire(fold_lease(split.root, keys["held"]), {}):
        remove_leftovers(split.root)
        assert {name for name, path in checkpoints.items() if path.exists()} == {"by force", "held", "unfinished"}
    remove_leftovers(split.root)
    assert {name for name, path in checkpoints.items() if path.exists()} == {"by force", "unfinished"}


def test_a_damaged_store_does_not_stop_the_next_command(split: SplitStore, folds: Folds) -> None:
    fill(split, folds, spec_of(folds))
    (split.root / "checkpoints").mkdir()
    (split.root / "checkpoints" / "0123456789abcdef.pt").write_text("")
    (split.path / "folds.parquet").write_text("no parquet")
    remove_leftovers(split.root)
    remove_leftovers(split.root / "missing")


def test_only_the_leases_of_the_dead_are_dead(tmp_path: Path) -> None:
    own = ProcessIdentity.current()
    holders = {"a": replace(own, started=5.0), "b": own, "c": replace(own, namespace="another", started=5.0)}
    for name, process in holders.items():
        write_json(tmp_path / "locks" / f"{name}.json", asdict(Holder(process, 0.0, {"fold": 1})))
    (tmp_path / "locks" / "damaged.json").write_text("{")
    assert {name: holder.process for name, holder in dead_leases(tmp_path).items()} == {"a.json": holders["a"]}
