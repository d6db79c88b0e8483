"""Status: every state a fold run can be in, the time left and the hours spent; fast, without MLflow or torch."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from prefens.core.errors import StoreError
from prefens.core.fold_run import FoldPredictions
from prefens.core.leases.leases import Holder, fold_lease
from prefens.core.leases.processes import ProcessIdentity
from prefens.core.types import Folds, Pairs
from prefens.runner.console import status_notes
from prefens.runner.sweep import JobOutcome, Sweep, latest
from prefens.runner.sweep_status import read_sweep_status, split_statuses
from prefens.store.failures import note_failure
from prefens.store.fold_status import FoldState
from prefens.store.folds_table import folds_of as folds_of_file
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.parquet import read_table, write_table
from prefens.store.split_store import SplitStore
from tests.helpers.commands import prefens
from tests.helpers.examples import folds_of, run_result
from tests.helpers.stores import damage

SLEEP = "import time; time.sleep(100)"


def ticks(process: subprocess.Popen[bytes]) -> float:
    return float(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19])


class CollapseError(Exception):
    """As a guard of the training would raise it."""


def spec_of(folds: Folds, backbone: str = "tfidf", seed: int = 0) -> MemberSpec:
    return MemberSpec(backbone, "x", {"bits": 4}, seed, folds.data_digest, folds.digest)


@pytest.fixture
def folds(pairs: Pairs) -> Folds:
    return folds_of(pairs)


@pytest.fixture
def finish(tmp_path: Path, folds: Folds) -> Callable[..., SplitStore]:
    split = OOFStore(tmp_path).put_folds(folds)

    def done(spec: MemberSpec, fold: int, **fields: object) -> SplitStore:
        split.put_member(spec)
        rows = folds.split(fold)
        values = np.full((len(rows.valid), 3), 1 / 3)
        none = np.empty(0, dtype=object), np.empty((0, 3))
        run = FoldPredictions(spec.key(fold), folds.ids[rows.valid], values, *none)
        split.put(spec, run, run_result(**fields), lambda _: None)
        return split

    return done


def lease(root: Path, spec: MemberSpec, fold: int, holder: Holder) -> None:
    path = fold_lease(root, spec.key(fold))
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(asdict(holder)))


def test_every_state_is_told(tmp_path: Path, folds: Folds, finish: Callable[..., SplitStore]) -> None:
    spec = spec_of(folds)
    split = finish(spec, 0, seconds=1800.0, log_loss=1.0, device="cuda", threads=4)
    begun = time.time() - 600
    own = ProcessIdentity.current()
    lease(tmp_path, spec, 1, Holder(own, begun))
    lease(tmp_path, spec, 2, Holder(replace(own, started=5.0), begun))
    note_failure(split.fold_dir(spec.name, 3), ValueError("no good"), begun - 3000)
    note_failure(split.fold_dir(spec.name, 4), CollapseError("learned nothing"), begun)
    other = replace(spec_of(folds, seed=1), recipe={"bits": 4, "teacher": {"scheme": "oof"}})
    split.mark_tuned(other)
    (status,) = split_statuses(tmp_path)
    assert status.as_dict()["taught_on_oof"] == status.as_dict()["tuned_on_oof"] == [other.name]
    *_, failed, collapsed = runs = status.members[spec.name]
    assert [run.state for run in runs] == [
        FoldState.done, FoldState.running, FoldState.died, FoldState.failed, FoldState.collapsed
    ]  # fmt: skip
    assert [run.state for run in status.members[other.name]] == [FoldState.missing] * 5
    assert failed.note == f"no good ({socket.gethostname()})"
    assert status.hours("gpu") == pytest.approx(0.5)
    assert status.hours("cpu") == pytest.approx((failed.seconds + collapsed.seconds) / 3600)
    # One process works: what it has left, and eight folds that take as long as the finished one of that backbone.
    assert status.seconds_left() == pytest.approx(1800 - runs[1].seconds + 8 * 1800)
    assert 600 <= runs[1].seconds <= time.time() - begun
    shown = prefens("status", f"tracking.root={tmp_path}", cwd=tmp_path).stdout
    assert re.search(r"running \d", shown)
    assert set(re.findall(r"tfidf s\d(?: \(.*?\))?", shown)) == {"tfidf s0", "tfidf s1 (tuned, taught)"}
    for text in ("failed", "collapsed", "died", "missing", "1.0000", "0.50 GPU-hours", "Time left"):
        assert text in shown


def test_what_is_damaged_is_named_and_the_rest_is_shown(
    tmp_path: Path, folds: Folds, finish: Callable[..., SplitStore]
) -> None:
    whole, damaged, other = (spec_of(folds, seed=seed) for seed in range(3))
    for spec in (whole, damaged, other):
        split = finish(spec, 0, seconds=1.0, log_loss=1.0)
    damage(split.fold_dir(damaged.name, 0) / "predictions.parquet", "truncated")
    damage(split.member_dir(other.name) / "member.json", "null")
    (status,) = split_statuses(tmp_path)
    assert [runs[0].state for runs in status.members.values()] == [FoldState.done, FoldState.damaged]
    assert status.members[damaged.name][0].log_loss is None
    notes = "\n".join(status_notes(status))
    for path in (split.fold_dir(damaged.name, 0) / "predictions.parquet", split.member_dir(other.name) / "member.json"):
        assert f"{path}: " in notes
    damage(split.path / "folds.parquet", "truncated")
    shown = prefens("status", f"tracking.root={tmp_path}", cwd=tmp_path).stdout
    assert f"damaged: {split.path / 'folds.parquet'}: " in shown


def test_nothing_is_known_of_a_backbone_without_a_finished_fold(
    tmp_path: Path, folds: Folds, finish: Callable[..., SplitStore]
) -> None:
    split = finish(spec_of(folds), 0, seconds=1.0, log_loss=1.0)
    split.put_member(spec_of(folds, "bert"))
    (found,) = split_statuses(tmp_path)
    assert found.seconds_left() is None


def test_a_sweep_knows_what_has_not_begun(tmp_path: Path) -> None:
    assert latest(tmp_path) is None
    sweep = Sweep(tmp_path / "hydra" / "2020-01-01" / "12-00-00")
    sweep.begin([["seed=0"], ["seed=1"]])
    sweep.begin_job(sweep.folder / "0", ["seed=0"])
    assert latest(tmp_path) == sweep
    assert sweep.pending() == [["seed=1"]]


def test_a_lost_job_begins_once_more_and_has_then_failed(tmp_path: Path) -> None:
    sweep, lost, done = Sweep(tmp_path), tmp_path / "0", tmp_path / "1"
    sweep.begin([["seed=0"], ["seed=1"]])
    sweep.begin_job(done, ["seed=1"])
    sweep.note(done, JobOutcome(["seed=1"], rows=[{"fold": 0}]))
    for time_ in (1, 2):
        sweep.begin_job(lost, ["seed=0"])
        assert sweep.outcome(lost).running
        assert sweep.release_lost() == 1
        assert sweep.pending() == ([["seed=0"]] if time_ == 1 else [])
    assert sweep.release_lost() == 0
    for job in (lost, done):
        before = sweep.outcome(job)
        sweep.begin_job(job, before.overrides)
        assert sweep.outcome(job) == before
    assert f"process {os.getpid()} on" in str(sweep.outcome(lost).error)


def test_a_sweep_that_ends_stops_its_own_processes_and_no_stranger(tmp_path: Path) -> None:
    """A job in another container of this host has a process id that is another process here."""
    sweep, processes = Sweep(tmp_path), [subprocess.Popen([sys.executable, "-c", SLEEP]) for _ in range(2)]
    own, strange = [
        replace(ProcessIdentity.current(), pid=process.pid, started=ticks(process)) for process in processes
    ]
    strange = replace(strange, namespace="another container")
    for number, process in enumerate((own, strange)):
        sweep.note(tmp_path / str(number), JobOutcome([], running=True, process=process))
    sweep.stop()
    assert processes[0].wait(60) == -signal.SIGTERM
    assert processes[1].poll() is None
    processes[1].kill()
    processes[1].wait()


@pytest.mark.parametrize("content", ["[]", "{", '{"started": 1.0, "jobs": [1]}'])
def test_a_damaged_sweep_costs_nothing_but_its_jobs(
    tmp_path: Path, folds: Folds, finish: Callable[..., SplitStore], caplog: pytest.LogCaptureFixture, content: str
) -> None:
    finish(spec_of(folds), 0, seconds=1.0, log_loss=1.0)
    sweep = Sweep(tmp_path / "hydra" / "2020-01-01" / "12-00-00")
    sweep.begin([["seed=0"]])
    (sweep.folder / "x").mkdir()
    (sweep.folder / "x" / "outcome.json").write_text("{}")  # of no job
    assert read_sweep_status(tmp_path).jobs_not_begun == [["seed=0"]]
    (sweep.folder / "sweep.json").write_text(content)
    status = read_sweep_status(tmp_path)
    assert (len(status.splits), status.jobs_not_begun) == (1, [])
    assert f"{sweep.folder / 'sweep.json'}: " in caplog.text


def test_a_huge_number_of_folds_is_damage(tmp_path: Path, folds: Folds, finish: Callable[..., SplitStore]) -> None:
    path = finish(spec_of(folds), 0, seconds=1.0, log_loss=1.0).path / "folds.parquet"
    table, metadata = read_table(path, "")
    write_table(path, table.replace_schema_metadata(None), {**metadata, "settings": {"k": 10**9}})
    (status,) = split_statuses(tmp_path)
    assert str(path) in status.damage[0]
    with pytest.raises(StoreError, match="k is 1000000000"):
        folds_of_file(*read_table(path, ""), path, "")


def test_status_as_json_in_a_file_and_again_and_again(
    tmp_path: Path, folds: Folds, finish: Callable[..., SplitStore]
) -> None:
    finish(spec_of(folds), 0, seconds=1.0, log_loss=1.0)
    given = [f"tracking.root={tmp_path}", "json=true"]
    done = prefens("status", *given, f"out={tmp_path}/told", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "told" / "status.json").read_text())
    assert told["splits"][0]["counts"] == {
        "done": 1, "damaged": 0, "running": 0, "died": 0, "failed": 0, "collapsed": 0, "given_up": 0, "missing": 4
    }  # fmt: skip
    line = [sys.executable, "-m", "prefens.status", *given, "--watch"]
    with subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        first, second = (json.loads(watching.stdout.readline()) for _ in range(2))
        watching.terminate()
    assert first["splits"][0]["counts"] == second["splits"][0]["counts"]
    assert watching.returncode == 143
    refused = prefens("status", f"tracking.root={tmp_path}/none", cwd=tmp_path, fails=True)
    assert "no store" in refused.stderr


def test_status_needs_neither_mlflow_nor_torch() -> None:
    modules = "prefens.runner.sweep_status, prefens.runner.console"
    code = f"import sys, {modules}; print({{'mlflow', 'torch'}} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
