"""Processes: each is told from all others, and one that has ended is known where it can be seen."""

import json
import subprocess
import sys
import time
from dataclasses import replace

from prefens.core.leases.processes import ProcessIdentity
from tests.helpers.containers import container

PROGRAM = """
import json, sys, time
from dataclasses import asdict
from prefens.core.leases.processes import ProcessIdentity
print(json.dumps(asdict(ProcessIdentity.current())), flush=True)
time.sleep(60)
"""


def identity_of(process: subprocess.Popen[str]) -> ProcessIdentity:
    assert process.stdout is not None
    return ProcessIdentity(**json.loads(process.stdout.readline()))


def test_a_process_is_itself_alone() -> None:
    own = ProcessIdentity.current()
    assert own == ProcessIdentity.current()
    assert own.is_local
    assert not own.has_ended
    assert replace(own, started=own.started - 1).has_ended  # its id was used again
    for other in (replace(own, machine="another"), replace(own, namespace="another")):
        assert other != own
        assert not other.is_local
        assert not other.has_ended  # as far as can be seen


def test_a_process_has_ended_when_it_is_killed_though_its_parent_has_not_noticed() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    identity = identity_of(process)
    assert identity.pid == process.pid
    assert not identity.has_ended
    process.kill()
    end = time.monotonic() + 60
    while not identity.has_ended:  # a zombie
        assert time.monotonic() < end
        time.sleep(0.01)
    process.wait()
    assert identity.has_ended


def test_processes_with_one_id_in_two_containers_differ() -> None:
    processes = [container(PROGRAM) for _ in range(2)]
    first, second = map(identity_of, processes)
    assert (first.pid, second.pid, first.machine) == (1, 1, second.machine)
    assert first.namespace != second.namespace
    assert not first.is_local
    for process in processes:
        process.kill()
        process.wait()
    assert not first.has_ended
