"""The predictions of `python -m prefens.predict`: of a saved model, of the stored blend, or of files."""

from __future__ import annotations

from prefens.data.sources import Source
from prefens.inference.from_files import predict_files
from prefens.inference.saved_model import find_predictor
from prefens.inference.unfinished import Unfinished
from prefens.runner import config
from prefens.runner.results import Prediction
from prefens.runner.schemas import PredictConfig
from prefens.store.tracking.factory import Tracking

UNFINISHED = "predict.unfinished"  # the folder below out=DIR of a prediction that was stopped


def make_prediction(settings: PredictConfig, unfinished: Unfinished) -> Prediction:
    """Predict all rows of the input; `unfinished` is what a stopped prediction has done."""
    return _from_files(settings) if settings.members or settings.blend else _from_models(settings, unfinished)


def _from_models(settings: PredictConfig, unfinished: Unfinished) -> Prediction:
    """Predict pairs by a saved model or the stored blend."""
    source: Source = config.build(settings.data)
    tracking, folders = config.build(settings.tracking, Tracking), config.backbone_folders(settings.backbones)
    names = settings.model, settings.method, settings.data_digest, settings.fold_digest
    predictor = find_predictor(tracking, *names, folders)
    return Prediction.of(predictor, source.load(labelled=False), unfinished)


def _from_files(settings: PredictConfig) -> Prediction:
    """Blend members' predictions that are in files, without a store."""
    files = config.member_files(settings.members)
    columns = config.columns_of(files, settings.columns)
    ids, probabilities, method, used, decision = predict_files(settings.blend, settings.method, files, columns)
    return Prediction(ids, probabilities, method, used, decision=decision)
