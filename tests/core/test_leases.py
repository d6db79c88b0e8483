"""Leases: one living holder at a time, the dead are known as such and replaced."""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from prefens.core.files import write_json
from prefens.core.leases import STALE_SECONDS, Busy, Holder, acquire, holder_of, is_live

HOLDER = """
import sys, time
from pathlib import Path
from prefens.core.leases import acquire
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
        assert (holder.pid, holder.host, holder.metadata) == (os.getpid(), socket.gethostname(), {"fold": 1})
        assert is_live(path, holder)
    assert holder_of(path) is None
    with acquire(path, {}) as before:
        assert before is None


def test_a_living_holder_is_left_alone_and_a_killed_one_replaced(path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(Busy, match=f"process {process.pid} on {socket.gethostname()}"), acquire(path, {}):
        pass
    process.kill()
    process.wait()
    holder = holder_of(path)
    assert holder is not None
    assert not is_live(path, holder)
    with acquire(path, {}) as before:
        assert before == holder


@pytest.mark.parametrize(
    ("host", "pid", "born", "age", "live"),
    [
        ("elsewhere", 1, 0.0, 0.0, True),  # its lock may not be seen here
        ("elsewhere", 1, 0.0, STALE_SECONDS + 5, False),
        ("here", "dead", 0.0, 0.0, False),
        ("here", "parent", "now", 0.0, True),
        ("here", "parent", "now", STALE_SECONDS + 5, False),
        ("here", "parent", 5.0, 0.0, False),  # the pid was used again
    ],
)
def test_lock_host_and_heartbeat_all_count(
    path: Path, host: str, pid: int | str, born: float | str, age: float, live: bool
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    pids = {"dead": ended.pid, "parent": os.getppid()}
    parent = psutil.Process(os.getppid()).create_time()
    host = socket.gethostname() if host == "here" else host
    holder = Holder(host, pids.get(str(pid), 1), parent if born == "now" else float(born), 0.0)
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


def test_a_damaged_lease_has_no_holder(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({"host": "x"})[:5])
    with acquire(path, {}) as before:
        assert before is None
