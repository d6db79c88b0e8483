"""python -m prefens.kaggle: bundle what a notebook without internet needs. See --help."""

from __future__ import annotations

from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import KaggleConfig
from prefens.store.tracking.factory import Tracking


def main() -> None:
    app.run("kaggle", kaggle)


def kaggle(settings: KaggleConfig) -> app.Rows:
    """Write the bundle and say what it holds."""
    from prefens.inference.bundle import make_bundle
    from prefens.runner.console import bundle_table, show
    from prefens.store.oof_store import OOFStore

    root = Path(config.build(settings.tracking, Tracking).root)
    split = OOFStore(root).predicting(settings.data_digest, settings.fold_digest)
    folders = config.backbone_folders(settings.backbones)
    bundle = make_bundle(split, settings.method, settings.packages, Path(settings.out), folders)
    show(bundle_table(bundle, settings.out))
    return [bundle]


if __name__ == "__main__":
    main()
