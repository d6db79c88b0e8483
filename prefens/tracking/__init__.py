"""The store of results, and the trackers that let people look at them."""

import os

# MLflow reads these when it is imported. Its own patience with a server that is down is over 4 minutes a call.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
