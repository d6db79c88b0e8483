"""Leases: one living holder at a time, the dead are known as such and replaced."""

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from prefens.core import shutdown
from prefens.core.files import write_json
from prefens.core.leases import leases
from prefens.core.leases.heartbeat import STALE_SECONDS
from prefens.core.leases.leases import Busy, Holder, acquire, holder_of, is_held, is_live, wait_for
from prefens.core.leases.processes import ProcessIdentity
from prefens.core.shutdown import Stopped
from tests.helpers.containers import container

HOLDER = """
import sys, time
from pathlib import Path
from prefens.core.leases.leases import acquire
with acquire(Path(sys.argv[1]), {"fold": 3}):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "fold.json"


def test_a_lease_is_gone_after_the_block(path: Path) -> None:
    with acquire(path, {"fold": 1}) as before:
        assert before is None
        holder = holder_of(path)
        assert holder is not None
        assert (holder.process, holder.metadata) == (ProcessIdentity.current(), {"fold": 1})
        assert holder.where == f"process {os.getpid()} on {socket.gethostname()}"
        assert is_live(path, holder)
    assert holder_of(path) is None
    with acquire(path, {}) as before:
        assert before is None


def test_a_living_holder_is_left_alone_and_a_killed_one_replaced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(Busy, match=f"process {process.pid} on {socket.gethostname()}"), acquire(path, {}):
        pass
    holder = holder_of(path)
    assert holder is not None
    assert is_live(path, holder)

    def kill(_seconds: float) -> None:
        process.kill()
        process.wait()

    monkeypatch.setattr(leases, "time", SimpleNamespace(sleep=kill, time=time.time))
    with wait_for(path, {}) as before:
        assert process.poll() is not None
        assert before == holder
        assert not is_live(path, holder)


def test_who_is_asked_to_stop_waits_no_longer(path: Path) -> None:
    path.parent.mkdir()
    shutdown.set_deadline(0.0)
    try:
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(Stopped), wait_for(path, {}):
                pass
    finally:
        shutdown.set_deadline(None)


@pytest.mark.parametrize(
    ("machine", "pid", "ticks", "age", "live"),
    [
        ("elsewhere", 1, 0.0, 0.0, True),  # its lock may not be seen here
        ("elsewhere", 1, 0.0, STALE_SECONDS + 5, False),
        ("container", "parent", "now", 0.0, True),
        ("container", "dead", 0.0, 0.0, True),  # an id of another namespace says nothing here
        ("container", "dead", 0.0, STALE_SECONDS + 5, False),
        ("here", "dead", 0.0, 0.0, False),
        ("here", "parent", "now", 0.0, True),
        ("here", "parent", "now", STALE_SECONDS + 5, False),
        ("here", "parent", 5.0, 0.0, False),  # the pid was used again
        ("elsewhere", "own", "own", 0.0, True),  # the same numbers, another process
    ],
)
def test_lock_machine_and_heartbeat_all_count(
    path: Path, machine: str, pid: int | str, ticks: float | str, age: float, live: bool
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    own = ProcessIdentity.current()
    pids = {"dead": ended.pid, "parent": os.getppid(), "own": own.pid}
    starts = {"now": float(Path(f"/proc/{os.getppid()}/stat").read_text().split()[21]), "own": own.started}
    process = ProcessIdentity(
        "another boot" if machine == "elsewhere" else own.machine,
        "another namespace" if machine == "container" else own.namespace,
        pids.get(str(pid), 1),
        starts.get(str(ticks)) or float(ticks),
    )
    holder = Holder(process, 0.0)
    write_json(path, asdict(holder))
    os.utime(path, (time.time() - age,) * 2)
    assert is_live(path, holder) == live
    if live:
        with pytest.raises(Busy), acquire(path, {}):
            pass
        assert holder_of(path) == holder
    else:
        with acquire(path, {}) as before:
            assert before == holder


APART = """
import fcntl, sys, time
from pathlib import Path
fcntl.flock = lambda *_: None  # a network file system that keeps locks to each machine
real = time.time
time.time = lambda: real() + float(sys.argv[2])
from prefens.core.leases.leases import Busy, acquire
try:
    with acquire(Path(sys.argv[1]), {}):
        print("held", flush=True)
        time.sleep(float(sys.argv[3]))
except Busy as busy:
    print(busy.holder.process.pid)
"""


def test_two_containers_in_which_python_is_process_1_leave_each_other_alone(path: Path) -> None:
    """Also where their clocks are ten minutes apart, and file locks don't reach from one to the other."""
    first = container(APART, path, 0, 60)
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    others = [container(APART, path, clock, 0) for clock in (0, 600, -600)]
    assert [other.communicate()[0] for other in others] == ["1\n"] * 3
    first.kill()
    first.wait()
    assert is_held(path)  # that it has ended is not seen from here
    os.utime(path, (time.time() - STALE_SECONDS - 5,) * 2)
    assert [container(APART, path, clock, 0).communicate()[0] for clock in (-600, 600)] == ["held\n"] * 2
    assert not path.exists()


def test_a_lease_that_was_taken_over_stays(path: Path) -> None:
    """A machine that slept for an hour wakes up, and its work is another's."""
    with acquire(path, {}):
        other = Holder(ProcessIdentity("another boot", "", 1, 0.0), 0.0)
        write_json(path, asdict(other))
    assert holder_of(path) == other


def test_a_file_system_without_locks_has_heartbeats(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with acquire(path, {}):
        assert is_held(path)
    assert not path.exists()


@pytest.mark.parametrize("damage", ["cut", "pid", "started", "process"])
def test_a_damaged_lease_has_no_holder(path: Path, damage: str) -> None:
    path.parent.mkdir()
    content = asdict(Holder(ProcessIdentity.current(), 1.0))
    wrong = {"pid": {"process": {**content["process"], "pid": "abc"}}, "process": {"process": []}}
    text = json.dumps({**content, **wrong.get(damage, {"started": "x"})})
    path.write_text(text[:5] if damage == "cut" else text)
    with acquire(path, {}) as before:
        assert before is None
