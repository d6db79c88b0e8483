"""python -m prefens.ui: the MLflow UI over the local store. See --help."""

from __future__ import annotations

from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import UiConfig
from prefens.store.tracking.factory import Tracking, database_uri


def main() -> None:
    app.run("ui", ui)


def ui(settings: UiConfig) -> app.Rows:
    """Serve the UI until interrupted; print the address of the experiment's table of runs."""
    from prefens.core.errors import ConfigError
    from prefens.store.tracking.mlflow_tracker import MlflowTracker
    from prefens.store.tracking.server import serve
    from prefens.store.tracking.ui_view import runs_page

    tracking = config.build(settings.tracking, Tracking)
    root = Path(tracking.root)
    if not (root / "mlflow.db").is_file():
        raise ConfigError(
            f"no runs in {root}", "a store with mlflow.db", "train members first, or give tracking.root=DIR"
        )
    experiment = MlflowTracker(root, tracking.experiment).experiment_id
    print(f"MLflow UI: http://{settings.host}:{settings.port}/{runs_page(experiment)}\n(Ctrl-C stops it)", flush=True)
    serve(database_uri(root / "mlflow.db"), root / "artifacts", settings.host, settings.port, workers=1)
    return []


if __name__ == "__main__":
    main()
