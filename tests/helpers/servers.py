"""A tracking server for tests, as `python -m prefens.server` starts it."""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

from prefens.core.errors import ConfigError
from prefens.store.tracking.postgres import find_binaries


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


@dataclass
class Server:
    """A server that can be stopped and started again, on the same port with the same database."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    def start(self) -> None:
        line = [sys.executable, "-m", "prefens.server", f"folder={self.folder}/server", f"port={self.port}"]
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(line, cwd=self.folder, stdout=stream, stderr=stream)
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        self.stop()
        raise AssertionError(self.log.read_text())

    def stop(self) -> int:
        """Stop it as Ctrl-C does; return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)


def make_server() -> Server:
    """Return a server that is not started; skip where PostgreSQL is missing."""
    if find_spec("psycopg") is None:
        pytest.skip("needs psycopg: pip install 'prefens[server]'")
    try:
        find_binaries(None)
    except ConfigError as error:
        pytest.skip(f"needs PostgreSQL: {error.do}")
    folder = Path(tempfile.mkdtemp(prefix="prefens-"))  # pytest's own folders are closed to the user postgres
    folder.chmod(0o755)
    return Server(folder)


def remove(server: Server) -> None:
    if server.process is not None and server.process.poll() is None:
        server.stop()
    shutil.rmtree(server.folder)
