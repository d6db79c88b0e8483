"""MLflow's scoring app around a function, without the model folder that MLflow would load and run code from."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from mlflow.environment_variables import MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT
from mlflow.models import Model, ModelSignature
from mlflow.pyfunc import scoring_server
from mlflow.types import DataType, ParamSchema, ParamSpec

logging.getLogger("mlflow").setLevel(logging.WARNING)


def scoring_app(predict: Callable[..., Any], seconds: int) -> Any:
    """Return MLflow's ASGI application with /invocations, /ping, /health and /version.

    Parameters
    ----------
    predict : callable
        Called with the value of "inputs" in a JSON body, as it came, and its `params`; returns a data frame. It runs in
        several threads.
    seconds : int
        Time for one request; the answer is 504 afterwards.
    """
    MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT.set(seconds)  # type: ignore[no-untyped-call]
    signature = ModelSignature(params=ParamSchema([ParamSpec("until", DataType.double, 0.0)]))
    signature._is_signature_from_type_hint = True  # MLflow then casts no value
    model: Any = SimpleNamespace(metadata=Model(signature=signature), predict=predict)
    return scoring_server.init(model)
