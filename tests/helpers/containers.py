"""Processes in a pid namespace of their own, as in a container: there, Python has the process id 1."""

import functools
import subprocess
import sys

import pytest

UNSHARE = ["unshare", "--fork", "--kill-child", "--pid", "--mount-proc"]


def container(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a Python program in a pid namespace of its own; the test is skipped where that is not allowed."""
    if not _allowed():
        pytest.skip("this user may make no pid namespaces: unshare --pid fails")
    line = [*UNSHARE, sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


@functools.cache
def _allowed() -> bool:
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False
