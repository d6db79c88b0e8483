"""python -m prefens.predict: probabilities for test pairs, and submission.csv. See --help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefens import command, config

if TYPE_CHECKING:
    from prefens.prediction import Predictor


def main() -> None:
    command.run("predict", predict)


def predict(settings: config.PredictConfig) -> command.Rows:
    """Predict all rows of the input, write submission.csv and predict.json, print what was done."""
    from prefens.data.sources import Source
    from prefens.evaluation.submission import write_submission
    from prefens.evaluation.tables import prediction_table, show
    from prefens.files import write_json

    source: Source = config.build(settings.data)
    predictor = find_predictor(settings)
    loaded = source.load(labelled=False)
    probabilities = predictor.predict_rows(loaded)
    out = Path(settings.out)
    path = write_submission(out / "submission.csv", loaded.ids, probabilities)
    summary = {
        "submission": str(path),
        "rows": len(loaded.ids),
        "predicted": len(loaded.pairs),
        "malformed": [
            {"row": row + 1, "id": loaded.ids[row], "problem": text} for row, text in loaded.problems.items()
        ],
        "repaired": loaded.repaired,
        "method": predictor.method,
        "members": predictor.used,
        "mean_probabilities": probabilities.mean(axis=0).tolist(),
    }
    show(prediction_table(summary))
    write_json(out / "predict.json", summary)
    return [summary]


def find_predictor(settings: config.PredictConfig) -> Predictor:
    """Return what predicts: a saved model if one is named, else the stored blend."""
    from prefens.errors import ConfigError
    from prefens.serving import model_predictor, stored_predictor
    from prefens.tracking.oof_store import OOFStore

    tracking = config.build(settings.tracking, config.Tracking)
    root = Path(tracking.root)
    if settings.model is None:
        split = OOFStore(root).select(settings.data_digest, settings.fold_digest)
        return stored_predictor(split, settings.method)
    if settings.method != "best":
        raise ConfigError(
            f"model={settings.model} and method={settings.method}",
            "one of the two: a saved model holds the blend's best method alone",
            "leave one out",
        )
    return model_predictor(settings.model, root, tracking.experiment)


if __name__ == "__main__":
    main()
