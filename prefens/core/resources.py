"""What a process may use of its machine: threads of the numerical libraries, and which GPU.

Two processes with two torch threads each on two cores were seen to run 50 times slower than with one thread each, so
the share of each worker is fixed before the libraries are loaded.
"""

import ctypes
import os
import re
import sys
from multiprocessing import current_process
from pathlib import Path

from prefens.core.errors import ConfigError

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
GPU_FOLDER = Path("/proc/driver/nvidia/gpus")  # holds a folder per GPU


def cores() -> int:
    """Return the number of cores that this process may use (at least 1)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def limit_threads(workers: int = 1, threads: int | None = None) -> int:
    """Fix this process's thread count to its share of the cores, and return it.

    Parameters
    ----------
    workers : int
        How many processes like this one run at once, at least 1.
    threads : int or None
        An explicit count, at least 1. None takes `cores() // workers`, unless OMP_NUM_THREADS is set: whoever started
        the process has then decided.

    Raises
    ------
    ConfigError
        Where `threads` is below 1.
    """
    if threads is not None and threads < 1:
        raise ConfigError(f"threads={threads}", "1 or more, or null", "set threads=null for this process's share")
    inherited = os.environ.get("OMP_NUM_THREADS", "")
    if threads is None:
        threads = int(inherited) if inherited.isdigit() else max(1, cores() // max(1, workers))
    for name in VARIABLES:
        os.environ[name] = str(threads)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true" if threads > 1 else "false")
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if "threadpoolctl" in sys.modules or "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)
    return threads


def release_memory() -> None:
    """Give memory that was freed back to the system, where the C library keeps it: glibc does, between large arrays."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def thread_count() -> int:
    """Return the thread count that `limit_threads` fixed for this process (default: all cores)."""
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdigit() else cores()


def rounding() -> list[str | int]:
    """Return what moves the last bits of equal computations: the GPU's name, or "cpu", and the thread count."""
    torch = sys.modules.get("torch")
    has_gpu = torch is not None and torch.cuda.is_available()
    return [torch.cuda.get_device_name() if torch is not None and has_gpu else "cpu", thread_count()]


def assign_gpu() -> None:
    """In a worker of joblib's, leave one GPU visible: the first worker's is the first, and so on around.

    Where there are more workers than GPUs they share them. Other launchers assign GPUs themselves.
    """
    worker = re.fullmatch(r"LokyProcess-(\d+)", current_process().name)
    visible = os.environ.get(VISIBLE_GPUS)
    gpus = visible.split(",") if visible is not None else [str(gpu) for gpu, _ in enumerate(GPU_FOLDER.glob("*"))]
    if worker is not None and gpus:
        os.environ[VISIBLE_GPUS] = gpus[(int(worker[1]) - 1) % len(gpus)]
