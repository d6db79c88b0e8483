"""Which GPU a worker process uses, decided before the libraries that use it are loaded."""

from __future__ import annotations

import os
import re
from multiprocessing import current_process
from pathlib import Path

VARIABLE = "CUDA_VISIBLE_DEVICES"
DRIVER = Path("/proc/driver/nvidia/gpus")  # a folder per GPU


def take_turn() -> None:
    """In a worker of joblib's, leave one GPU visible: the first worker's is the first, and so on around.

    Where there are more workers than GPUs they share them. Other launchers assign GPUs themselves.
    """
    worker = re.fullmatch(r"LokyProcess-(\d+)", current_process().name)
    given = os.environ.get(VARIABLE)
    known = given.split(",") if given is not None else [str(place) for place, _ in enumerate(DRIVER.glob("*"))]
    if worker is not None and known:
        os.environ[VARIABLE] = known[(int(worker[1]) - 1) % len(known)]
