"""A PostgreSQL database cluster in a folder of the user's, without root, service or port."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock, Timeout

from prefens.core.errors import ConfigError

DEBIAN_FOLDER = "/usr/lib/postgresql"  # Debian's, by major version; elsewhere it is in the PATH
ROLE = "prefens"  # the superuser
SOCKET = "/.s.PGSQL.5432"
SOCKET_PATH_BYTES = 107  # the longest path of a socket


@dataclass(frozen=True)
class Cluster:
    """A database cluster that is created when it is first started.

    It listens only on a socket inside its folder, which only the owner may enter. PostgreSQL refuses to run as root;
    root runs it as the user postgres.

    Attributes
    ----------
    folder : Path
        The folder of the database.
    binaries : Path
        The folder of initdb and pg_ctl.
    """

    folder: Path
    binaries: Path

    @property
    def uri(self) -> str:
        """The database's address for SQLAlchemy."""
        return f"postgresql+psycopg://{ROLE}@/postgres?host={quote(str(self.folder))}"

    @contextmanager
    def running(self) -> Iterator[str]:
        """Start the cluster, yield the database's address, and stop it after the block.

        Raises
        ------
        ConfigError
            Where the cluster does not start (with PostgreSQL's message), where another process uses the folder, or
            where the path of the folder is too long for a socket.
        """
        if len(os.fsencode(f"{self.folder}{SOCKET}")) > SOCKET_PATH_BYTES:
            raise ConfigError(f"folder={self.folder}", "a shorter path: it holds a socket", "set folder=DIR")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self._lock():
            yield from self._started()

    def _started(self) -> Iterator[str]:
        if not (self.folder / "PG_VERSION").exists():
            self._create()
        if self._call("pg_ctl", "status", "-D", self.folder, check=False).returncode != 0:
            options = f"-c listen_addresses='' -c unix_socket_directories='{self.folder}'"
            log = self.folder / "server.log"
            self._call("pg_ctl", "start", "--wait", "-D", self.folder, "-l", log, "-o", options)
        try:
            yield self.uri
        finally:
            self._call("pg_ctl", "stop", "--wait", "--mode=fast", "-D", self.folder, check=False)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            with FileLock(f"{self.folder}.lock", timeout=0):
                yield
        except Timeout:
            raise ConfigError(
                f"folder={self.folder} is in use", "one server per folder", "stop the other, or set folder=DIR"
            ) from None

    def _create(self) -> None:
        self.folder.mkdir(exist_ok=True)
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self._call("initdb", "-D", self.folder, "--auth=trust", f"--username={ROLE}", "--encoding=UTF8", "--no-locale")

    def _call(self, program: str, *arguments: Any, check: bool = True) -> subprocess.CompletedProcess[str]:
        account: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []}
        result = subprocess.run(
            [str(self.binaries / program), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the server would hold a pipe open
            stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            text=True,
            cwd="/",
            check=False,
            **(account if os.getuid() == 0 else {}),
        )
        if check and result.returncode != 0:
            raise ConfigError(
                f"{program} ended with code {result.returncode}: {(result.stderr or '').strip()}",
                f"a database in {self.folder}",
                f"read {self.folder / 'server.log'}, or set folder=DIR"
                + (" that the user postgres may enter" if os.getuid() == 0 else ""),
            )
        return result


def find_binaries(folder: str | None) -> Path:
    """Return the folder of initdb and pg_ctl: `folder`, or without it the one in the PATH, or Debian's newest.

    Raises
    ------
    ConfigError
        Where there is none.
    """
    in_path = shutil.which("initdb")
    debian = sorted(Path(DEBIAN_FOLDER).glob("*/bin"), key=lambda path: int("0" + re.sub(r"\D", "", path.parent.name)))
    candidates = [Path(folder)] if folder else ([Path(in_path).parent] if in_path else []) + debian[::-1]
    for candidate in candidates:
        if (candidate / "initdb").exists() and (candidate / "pg_ctl").exists():
            return candidate
    raise ConfigError(
        f"no PostgreSQL in {folder or DEBIAN_FOLDER}",
        "initdb and pg_ctl",
        "apt-get install postgresql, or set postgres=DIR",
    )
