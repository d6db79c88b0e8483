"""python -m prefens.predict: probabilities for test pairs, and submission.csv. See --help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefens import command, config


def main() -> None:
    command.run("predict", predict)


def predict(settings: config.PredictConfig) -> command.Rows:
    """Predict all rows of the input, write submission.csv and predict.json, print what was done."""
    from prefens.evaluation.submission import write_submission
    from prefens.evaluation.tables import prediction_table, show
    from prefens.files import write_json

    ids, probabilities, facts = from_files(settings) if settings.members or settings.blend else from_store(settings)
    out = Path(settings.out)
    path = write_submission(out / "submission.csv", ids, probabilities)
    summary = {"submission": str(path), "rows": len(ids), **facts}
    summary["mean_probabilities"] = probabilities.mean(axis=0).tolist()
    show(prediction_table(summary))
    write_json(out / "predict.json", summary)
    return [summary]


def from_store(settings: config.PredictConfig) -> tuple[Any, Any, dict[str, Any]]:
    """Return ids, probabilities and what to tell of predictions by stored members."""
    from prefens.data.sources import Source
    from prefens.prediction import Predictor, refuse_foreign, stored_blender, used_members
    from prefens.tracking.oof_store import OOFStore

    source: Source = config.build(settings.data)
    root = Path(config.build(settings.tracking, config.Tracking).root)
    split = OOFStore(root).select(settings.data_digest, settings.fold_digest)
    method, members, blender = stored_blender(split.blend(), settings.method)
    used = used_members(members, blender)
    refuse_foreign(split.blend(), used)
    loaded = source.load(labelled=False)
    probabilities = Predictor(split, members, blender, root / "backbones").predict_rows(loaded)
    malformed = [{"row": row + 1, "id": loaded.ids[row], "problem": text} for row, text in loaded.problems.items()]
    facts = {"predicted": len(loaded.pairs), "malformed": malformed, "repaired": loaded.repaired}
    return loaded.ids, probabilities, facts | {"method": method, "members": used}


def from_files(settings: config.PredictConfig) -> tuple[Any, Any, dict[str, Any]]:
    """Return ids, probabilities and what to tell of members' predictions that are in files; without a store."""
    from prefens.prediction import predict_files, read_blend, stored_blender, used_members

    files, columns = config.mapping("members", settings.members), config.mapping("columns", settings.columns)
    method, members, blender = stored_blender(read_blend(settings.blend, files), settings.method)
    ids, probabilities = predict_files(blender, members, files, columns)
    facts = {"predicted": len(ids), "malformed": [], "repaired": {}}
    return ids, probabilities, facts | {"method": method, "members": used_members(members, blender)}


if __name__ == "__main__":
    main()
