"""A server that is down costs a command seconds, not MLflow's own four minutes."""

import subprocess
import sys
import time
from pathlib import Path

from tests.helpers.servers import free_port

CALL = """
import sys
from pathlib import Path
from prefens.store.tracking.mlflow_backend import MlflowException, open_backend
try:
    open_backend(Path(sys.argv[1]), "x", sys.argv[2])
except MlflowException:
    print("refused")
"""


def test_a_server_that_is_down_is_given_up_in_seconds(tmp_path: Path) -> None:
    started = time.monotonic()
    line = [sys.executable, "-c", CALL, str(tmp_path), f"http://127.0.0.1:{free_port()}"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "refused\n"
    assert time.monotonic() - started < 60
