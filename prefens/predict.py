"""python -m prefens.predict: probabilities for test pairs, and submission.csv. See --help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefens.runner import app, config
from prefens.runner.schemas import PredictConfig
from prefens.store.tracking.factory import Tracking

if TYPE_CHECKING:
    from prefens.data.sources import Source
    from prefens.runner.results import Prediction


def main() -> None:
    app.run("predict", predict)


def predict(settings: PredictConfig) -> app.Rows:
    """Predict all rows of the input, write submission.csv and predict.json, print a summary."""
    from prefens.core.files import write_json
    from prefens.data.submission import check_submission_format
    from prefens.runner.console import prediction_table, show

    check_submission_format(settings.out_format)
    prediction = _predict_files(settings) if settings.members or settings.blend else _predict_pairs(settings)
    path = prediction.write((out := Path(settings.out)) / "submission.csv", settings.out_format)
    write_json(out / "predict.json", prediction.as_dict(path))
    show(prediction_table(prediction, path))
    return [prediction.as_dict(path)]


def _predict_pairs(settings: PredictConfig) -> Prediction:
    """Predict pairs by a saved model or the stored blend."""
    from prefens.inference.saved_model import find_predictor
    from prefens.runner.results import MalformedRow, Prediction

    source: Source = config.build(settings.data)
    tracking, folders = config.build(settings.tracking, Tracking), config.backbone_folders(settings.backbones)
    names = settings.model, settings.method, settings.data_digest, settings.fold_digest
    predictor = find_predictor(tracking, *names, folders)
    loaded = source.load(labelled=False)
    probabilities = predictor.predict_rows(loaded)
    malformed = [MalformedRow(row + 1, loaded.ids[row], problem) for row, problem in loaded.problems.items()]
    own = predictor.method, predictor.used, malformed, loaded.repaired, predictor.decision, predictor.out_format
    return Prediction(loaded.ids, probabilities, *own)


def _predict_files(settings: PredictConfig) -> Prediction:
    """Blend members' predictions that are in files, without a store."""
    from prefens.inference.from_files import predict_files
    from prefens.runner.results import Prediction

    files = config.member_files(settings.members)
    columns = config.columns_of(files, settings.columns)
    *own, decision = predict_files(settings.blend, settings.method, files, columns)
    return Prediction(*own, decision=decision)


if __name__ == "__main__":
    main()
