"""A PostgreSQL of the user's own, in a folder: no root, no service, no port; only its owner reaches it."""

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

PLACES = "/usr/lib/postgresql"  # Debian's, by major version; elsewhere it is in the PATH
ROLE = "prefens"  # the superuser
SOCKET = "/.s.PGSQL.5432"
SOCKET_PATH = 107  # bytes, of the system


@dataclass(frozen=True)
class Cluster:
    """A database cluster in `folder`, made on its first start.

    It listens on a socket inside that folder alone, which nobody else may enter. PostgreSQL refuses to run as root;
    root runs it as the user postgres.
    """

    folder: Path
    binaries: Path

    @property
    def uri(self) -> str:
        """The database's address for SQLAlchemy."""
        return f"postgresql+psycopg://{ROLE}@/postgres?host={quote(str(self.folder))}"

    @contextmanager
    def running(self) -> Iterator[str]:
        """Start the cluster, yield the database's address, and stop it.

        Raises
        ------
        ConfigError with PostgreSQL's own words where it does not start.
        """
        if len(os.fsencode(f"{self.folder}{SOCKET}")) > SOCKET_PATH:
            raise ConfigError(f"folder={self.folder}", "a shorter path: it holds a socket", "set folder=DIR")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self._alone():
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
    def _alone(self) -> Iterator[None]:
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
        done = subprocess.run(
            [str(self.binaries / program), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the server would hold a pipe open
            stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            text=True,
            cwd="/",
            check=False,
            **(account if os.getuid() == 0 else {}),
        )
        if check and done.returncode != 0:
            raise ConfigError(
                f"{program} ended with code {done.returncode}: {(done.stderr or '').strip()}",
                f"a database in {self.folder}",
                f"look into {self.folder / 'server.log'}, or set folder=DIR"
                + (" that the user postgres may enter" if os.getuid() == 0 else ""),
            )
        return done


def find_binaries(given: str | None) -> Path:
    """Return the folder of initdb and pg_ctl: the one given, the one in the PATH, or Debian's newest.

    ConfigError where there is none.
    """
    known = shutil.which("initdb")
    debian = sorted(Path(PLACES).glob("*/bin"), key=lambda path: int("0" + re.sub(r"\D", "", path.parent.name)))
    for place in [Path(given)] if given else ([Path(known).parent] if known else []) + debian[::-1]:
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            return place
    raise ConfigError(
        f"no PostgreSQL in {given or PLACES}", "initdb and pg_ctl", "apt-get install postgresql, or set postgres=DIR"
    )
