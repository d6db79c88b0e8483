"""python -m prefens.serve: answer requests for probabilities over HTTP. See --help."""

from __future__ import annotations

import logging

from prefens.runner import app, config
from prefens.runner.schemas import ServeConfig
from prefens.store.tracking.factory import Tracking


def main() -> None:
    app.run("serve", serve_model)


def serve_model(settings: ServeConfig) -> app.Rows:
    """Serve until interrupted; print the address."""
    from prefens.core.errors import ConfigError
    from prefens.inference.saved_model import find_predictor
    from prefens.inference.serving import Limits, serve

    limits = Limits(settings.max_megabytes, settings.max_rows, settings.timeout)
    if limits.megabytes <= 0 or limits.rows < 1 or limits.seconds < 1:
        came = f"max_megabytes={limits.megabytes}, max_rows={limits.rows}, timeout={limits.seconds}"
        raise ConfigError(came, "megabytes above 0, rows and seconds of 1 or more", "correct it")
    tracking, folders = config.build(settings.tracking, Tracking), config.backbone_folders(settings.backbones)
    digests = settings.data_digest, settings.fold_digest
    predictor = find_predictor(tracking, settings.model, settings.method, *digests, folders)
    logging.getLogger("prefens.inference.predictor").setLevel(logging.WARNING)  # not a line per request and member
    serve(predictor, settings.host, settings.port, limits)
    return []


if __name__ == "__main__":
    main()
