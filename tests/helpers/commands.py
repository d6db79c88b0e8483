"""The commands, run by the tests as a user calls them, each in a process of its own.

The processes are forks of one server that has imported the large libraries: what costs two to six seconds at each
start of an interpreter is paid once.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

QUIET = ["tracking=none", "backbone.bits=10", "backbone.strengths=[0.1]"]  # a small tfidf, not tracked
COLUMNS = ["id", "winner_model_a", "winner_model_b", "winner_tie"]
LARGE = [
    *("prefens.runner.app", "prefens.store.tracking.mlflow_tracker", "prefens.store.tracking.model_registry"),
    *("prefens.runner.builders", "prefens.members.encoder", "prefens.members.textcnn", "prefens.members.style"),
    *("prefens.members.tfidf", "prefens.reporting.leaderboard.plots", "prefens.runner.console"),
    *("mlflow.pyfunc", "optuna"),
]
forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(LARGE)


def prefens(
    command: str, *arguments: object, cwd: Path, fails: bool | None = False, streams: str = "files"
) -> subprocess.CompletedProcess[str]:
    """Run a command as `python -m prefens.COMMAND` does, and return what it said and its exit status.

    `streams` says what takes stdout and stderr: "files", "ascii" for files of that encoding, or, where nothing can be
    read, "full" for a full disk and "closed" for a pipe that nobody reads. `fails` is None where any status is right.
    """
    line = [f"prefens.{command}", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        process = forks.Process(target=_main, args=(line, cwd, dict(os.environ), said, streams))
        process.start()
        process.join(280)
        if process.exitcode is None:
            process.kill()
            process.join()
        stdout, stderr = (path.read_text("utf-8") if path.exists() else "" for path in said)
    done = subprocess.CompletedProcess(line, process.exitcode or 0, stdout, stderr)
    assert fails is None or (done.returncode != 0) == fails, f"{done.stdout}\n{done.stderr}"
    return done


def _main(line: list[str], cwd: Path, environment: Mapping[str, str], said: list[Path], streams: str) -> None:
    """Become the process of a command: its folder, environment, arguments and streams."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for stream, path in zip((sys.stdout, sys.stderr), said, strict=True):
        os.dup2(_opened(path, streams), stream.fileno())
        if streams == "ascii":
            stream.reconfigure(encoding="ascii", errors="strict")  # type: ignore[union-attr]
    sys.argv = line
    try:
        runpy.run_module(line[0], run_name="__main__", alter_sys=True)
    finally:  # as an interpreter ends, and a fork does not: executors shut their workers down
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()


def _opened(path: Path, streams: str) -> int:
    """Return an open file descriptor for a stream."""
    if streams == "closed":
        reading, writing = os.pipe()
        os.close(reading)
        return writing
    return os.open("/dev/full" if streams == "full" else path, os.O_WRONLY | os.O_CREAT)
