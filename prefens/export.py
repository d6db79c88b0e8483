"""python -m prefens.export: a stored model with a reward as a model of transformers. See --help."""

from __future__ import annotations

from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import ExportConfig
from prefens.store.tracking.factory import Tracking


def main() -> None:
    app.run("export", export)


def export(settings: ExportConfig) -> app.Rows:
    """Write the model's folder and say where it is."""
    from prefens.core.errors import ConfigError, StoreError
    from prefens.core.fold_run import FULL
    from prefens.inference.fold_models import load_model, model_folder
    from prefens.members.export.model_folder import export_model
    from prefens.store.oof_store import OOFStore

    root = Path(config.build(settings.tracking, Tracking).root)
    split = OOFStore(root).predicting(settings.data_digest, settings.fold_digest)
    names, k = split.member_names(), split.folds.k
    if settings.member is None:
        raise ConfigError("no member", f"one of {', '.join(names)}", "add member=NAME")
    if settings.member not in names:
        raise StoreError(f"no member {settings.member}", f"one of {', '.join(names)}", "correct member=")
    full = settings.fold == FULL
    if not full and not (isinstance(settings.fold, int) and 0 <= settings.fold < k):
        expected = f"0 to {k - 1}, the member's folds, or {FULL}, its full fit"
        raise ConfigError(f"fold={settings.fold}", expected, "correct fold=")
    if full and not split.has_full(settings.member):
        do = "run the member's train command again with full=true; or export a fold model: fold=0"
        raise StoreError(f"member {settings.member} has no full fit", "one, trained on all folds at once", do)
    spec = split.member(settings.member)
    folder = model_folder(split, spec, k if full else int(settings.fold))
    member = load_model(spec, folder, config.backbone_folders(settings.backbones))
    source = "the full fit" if full else f"fold model {settings.fold} of {k}"
    out = export_model(member, spec.name, source, Path(settings.out))
    print(f"Wrote {out}: {source} of {spec.name}; {out / 'README.md'} says how it scores texts")
    return [{"member": spec.name, "fold": settings.fold}]


if __name__ == "__main__":
    main()
