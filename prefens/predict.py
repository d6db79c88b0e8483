"""python -m prefens.predict: probabilities for test pairs, and submission.csv. See --help."""

from __future__ import annotations

from pathlib import Path

from prefens.runner import app
from prefens.runner.schemas import PredictConfig


def main() -> None:
    app.run("predict", predict)


def predict(settings: PredictConfig) -> app.Rows:
    """Predict all rows of the input, write submission.csv and predict.json, print a summary."""
    from prefens.core.files import write_json
    from prefens.data.submission import check_submission_format
    from prefens.inference.unfinished import Unfinished
    from prefens.runner.console import prediction_table, show
    from prefens.runner.prediction import UNFINISHED, make_prediction

    check_submission_format(settings.out_format)
    out = Path(settings.out)
    # Files are blended at once, and a stopped prediction by models in the same folder stays as it is.
    unfinished = Unfinished(None if settings.members or settings.blend else out / UNFINISHED)
    prediction = make_prediction(settings, unfinished)
    path = prediction.write(out / "submission.csv", settings.out_format)
    write_json(out / "predict.json", prediction.as_dict(path))
    unfinished.remove()
    show(prediction_table(prediction, path))
    return [prediction.as_dict(path)]


if __name__ == "__main__":
    main()
