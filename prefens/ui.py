"""python -m prefens.ui: the MLflow UI over the local store. See --help."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prefens import command, config


def main() -> None:
    command.run("ui", ui)


def ui(settings: config.UiConfig) -> command.Rows:
    """Serve the UI until interrupted; print the address of the experiment's table of runs."""
    from prefens.errors import ConfigError
    from prefens.tracking.mlflow_home import database_uri
    from prefens.tracking.mlflow_tracker import MlflowTracker

    tracking = config.build(settings.tracking, config.Tracking)
    root = Path(tracking.root)
    if not (root / "mlflow.db").is_file():
        raise ConfigError(
            f"no runs in {root}", "a store with mlflow.db", "train members first, or give tracking.root=DIR"
        )
    experiment = MlflowTracker(root, tracking.experiment).experiment_id
    # MLflow opens in its GenAI mode; this is the table of runs.
    page = f"#/experiments/{experiment}/runs?workflowType=machine_learning"
    print(f"MLflow UI: http://{settings.host}:{settings.port}/{page}\n(Ctrl-C stops it)", flush=True)
    server = [sys.executable, "-m", "mlflow", "server", "--host", settings.host, "--port", str(settings.port)]
    server += ["--workers", "1", "--backend-store-uri", database_uri(root / "mlflow.db")]
    server += ["--artifacts-destination", (root.resolve() / "artifacts").as_uri()]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    try:
        code = subprocess.run(server, env=os.environ | quiet, check=False).returncode
    except KeyboardInterrupt:
        return []
    if code > 0:
        raise ConfigError(
            f"the MLflow server ended with code {code}", "a server", f"is port {settings.port} free? try port=5001"
        )
    return []


if __name__ == "__main__":
    main()
