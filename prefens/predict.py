"""python -m prefens.predict: probabilities for test pairs, and submission.csv. See --help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefens.runner import app, config
from prefens.runner.schemas import PredictConfig
from prefens.store.tracking.factory import Tracking


def main() -> None:
    app.run("predict", predict)


def predict(settings: PredictConfig) -> app.Rows:
    """Predict all rows of the input, write submission.csv and predict.json, print a summary."""
    from prefens.core.files import write_json
    from prefens.data.submission import write_submission
    from prefens.runner.console import prediction_table, show

    predicted = _from_files if settings.members or settings.blend else _from_pairs
    ids, probabilities, facts = predicted(settings)
    out = Path(settings.out)
    path = write_submission(out / "submission.csv", ids, probabilities)
    summary = {"submission": str(path), "rows": len(ids), **facts}
    summary["mean_probabilities"] = probabilities.mean(axis=0).tolist()
    write_json(out / "predict.json", summary)
    show(prediction_table(summary))
    return [summary]


def _from_pairs(settings: PredictConfig) -> tuple[Any, Any, dict[str, Any]]:
    """Return ids, probabilities and a summary of predictions by a saved model or the stored blend."""
    from prefens.data.sources import Source
    from prefens.inference.saved_model import find_predictor

    source: Source = config.build(settings.data)
    tracking = config.build(settings.tracking, Tracking)
    digests = settings.data_digest, settings.fold_digest
    predictor = find_predictor(tracking, settings.model, settings.method, *digests)
    loaded = source.load(labelled=False)
    probabilities = predictor.predict_rows(loaded)
    malformed = [{"row": row + 1, "id": loaded.ids[row], "problem": text} for row, text in loaded.problems.items()]
    facts = {"predicted": len(loaded.pairs), "malformed": malformed, "repaired": loaded.repaired}
    return loaded.ids, probabilities, facts | {"method": predictor.method, "members": predictor.used}


def _from_files(settings: PredictConfig) -> tuple[Any, Any, dict[str, Any]]:
    """Return ids, probabilities and a summary of members' predictions that are in files; without a store."""
    from prefens.inference.from_files import predict_files

    files = config.mapping("members", settings.members)
    columns = config.columns_of(files, settings.columns)
    ids, probabilities, method, used = predict_files(settings.blend, settings.method, files, columns)
    facts = {"predicted": len(ids), "malformed": [], "repaired": {}}
    return ids, probabilities, facts | {"method": method, "members": used}


if __name__ == "__main__":
    main()
