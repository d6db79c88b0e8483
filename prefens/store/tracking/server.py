"""MLflow's server as a child process."""

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
    """Serve until Ctrl-C or SIGTERM, then stop all processes of the server.

    Parameters
    ----------
    database : str
        SQLAlchemy's address of the database.
    artifacts : Path
        The folder of files, which the server hands out.
    host, port : str and int
        Where it listens.
    workers : int
        Its processes, at least 1; each takes about 210 MB.

    Raises
    ------
    ConfigError
        Where the server ends by itself.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", str(workers)]
    command += ["--backend-store-uri", database, "--artifacts-destination", artifacts.resolve().as_uri()]
    command += ["--uvicorn-opts", "--log-level warning"]  # not a line per request
    variables = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # eight more processes, for features not used here
    handler = signal.signal(signal.SIGTERM, _interrupt)
    # In a session of its own, so that Ctrl-C reaches this process alone, which then stops the server.
    process = subprocess.Popen(command, env=os.environ | variables, start_new_session=True)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, handler)
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
