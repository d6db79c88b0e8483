"""MLflow's server as a process of ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from prefens.core.errors import ConfigError

SECONDS_TO_STOP = 10.0


def serve(database: str, artifacts: Path, host: str, port: int, workers: int) -> None:
    """Serve until Ctrl-C or SIGTERM, then stop all of its processes.

    Parameters
    ----------
    database : SQLAlchemy's address of the runs; artifacts : the folder of files, which the server hands out.
    workers : processes, of some 210 MB each, at least 1.

    Raises
    ------
    ConfigError where the server ends by itself.
    """
    line = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", str(workers)]
    line += ["--backend-store-uri", database, "--artifacts-destination", artifacts.resolve().as_uri()]
    line += ["--uvicorn-opts", "--log-level warning"]  # not a line per request
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # eight more processes, for features not used here
    before = signal.signal(signal.SIGTERM, _interrupt)
    # Its own session: Ctrl-C reaches us alone, and we stop it in order.
    process = subprocess.Popen(line, env=os.environ | quiet, start_new_session=True)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)
        _stop(process)
    raise ConfigError(f"the MLflow server ended with code {code}", "a server", f"is port {port} free? try port=5001")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
