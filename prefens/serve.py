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
    from prefens.inference.serving import serve

    if settings.max_megabytes <= 0 or settings.timeout < 1:
        came = f"max_megabytes={settings.max_megabytes}, timeout={settings.timeout}"
        raise ConfigError(came, "megabytes above 0, and 1 second or more", "correct it")
    tracking = config.build(settings.tracking, Tracking)
    predictor = find_predictor(tracking, settings.model, "best", settings.data_digest, settings.fold_digest)
    logging.getLogger("prefens.inference.predictor").setLevel(logging.WARNING)  # not a line per request and member
    serve(predictor, settings.host, settings.port, settings.max_megabytes, settings.timeout)
    return []


if __name__ == "__main__":
    main()
