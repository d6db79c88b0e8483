"""python -m prefens.predict: probabilities for test pairs, and submission.csv. See --help."""

from __future__ import annotations

from pathlib import Path

from prefens import command, config


def main() -> None:
    command.run("predict", predict)


def predict(settings: config.PredictConfig) -> command.Rows:
    """Predict all rows of the input, write submission.csv and predict.json, print what was done."""
    from prefens.data.sources import Source
    from prefens.evaluation.submission import write_submission
    from prefens.evaluation.tables import prediction_table, show
    from prefens.files import write_json
    from prefens.prediction import Predictor, stored_blender
    from prefens.tracking.oof_store import OOFStore

    source: Source = config.build(settings.data)
    root = Path(config.build(settings.tracking, config.Tracking).root)
    split = OOFStore(root).select(settings.data_digest, settings.fold_digest)
    method, members, blender = stored_blender(split.blend(), settings.method)
    loaded = source.load(labelled=False)
    probabilities = Predictor(split, members, blender, root / "backbones").predict_rows(loaded)
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
        "method": method,
        "members": [name for name, used in zip(members, blender.used, strict=True) if used],
        "mean_probabilities": probabilities.mean(axis=0).tolist(),
    }
    show(prediction_table(summary))
    write_json(out / "predict.json", summary)
    return [summary]


if __name__ == "__main__":
    main()
