"""Processes as in a container, where Python has the process id 1, and processes of another user."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOBODY = 65534
# As nobody, in a mount namespace where the folder $1, to which only root has access, holds the interpreter $2 alone.
AS_NOBODY = """
keep=$(mktemp -d)
mount --bind "$2" "$keep" && mount -t tmpfs tmpfs "$1" && chmod 755 "$1" && mkdir -p "$2" && mount --bind "$keep" "$2"
shift 2
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
"""
UNSHARE = ["unshare", "--fork", "--kill-child", "--pid", "--mount-proc"]


def container(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a Python program in a pid namespace of its own; the test is skipped where that is not allowed."""
    if not _allowed():
        pytest.skip("this user may make no pid namespaces: unshare --pid fails")
    line = [*UNSHARE, sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def as_nobody(*line: object, cwd: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments as the user nobody; the test is skipped for users who may not."""
    if os.name == "nt" or os.getuid() != 0:
        pytest.skip("only root can run a process as another user")
    environment = os.environ | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    base = Path(sys.base_prefix)
    private = [str(folder) for folder in reversed(base.parents) if not folder.stat().st_mode & 0o001]
    command = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    if private:
        command = ["unshare", "--mount", "bash", "-c", AS_NOBODY, "nobody", private[0], str(base)]

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, sys.executable, *map(str, arguments)],
            cwd=cwd, env=environment, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip

    if run("-c", "import prefens.core.files").returncode != 0:
        pytest.skip("nobody may not read the interpreter or the package")
    return run(*line)


@functools.cache
def _allowed() -> bool:
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False
