"""python -m prefens.server: a tracking server on this machine, MLflow over PostgreSQL. See --help."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from prefens.runner import app
from prefens.runner.schemas import ServerConfig


def main() -> None:
    app.run("server", server)


def server(settings: ServerConfig) -> app.Rows:
    """Serve until interrupted; print the address."""
    from prefens.core.errors import ConfigError
    from prefens.store.tracking.postgres import Cluster, find_binaries
    from prefens.store.tracking.server import serve

    if find_spec("psycopg") is None:
        raise ConfigError("psycopg is not installed", "PostgreSQL's driver", "pip install 'prefens[server]'")
    folder = Path(settings.folder).resolve()
    with Cluster(folder / "postgres", find_binaries(settings.postgres)).running() as database:
        address = f"http://{settings.host}:{settings.port}"
        print(f"MLflow: {address}\nTrain with: tracking=server tracking.uri={address}\n(Ctrl-C stops it)", flush=True)
        serve(database, folder / "artifacts", settings.host, settings.port, settings.workers)
    return []


if __name__ == "__main__":
    main()
