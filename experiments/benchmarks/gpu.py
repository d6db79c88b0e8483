"""What a GPU makes of the training loop, measured in nine minutes: python experiments/benchmarks/gpu.py --out gpu.json

    python experiments/benchmarks/gpu.py [--minutes 9] [--only WORD ...] [--peak-tflops N] [--out FILE] [--tiny]

Encoders and decoders of real sizes with random weights read made-up pairs with lengths like the arena's. Encoders:
transformers' Trainer (bf16, dynamic padding, rows of like length together, fused AdamW) beside our loop, each kernel of
attention beside padding, prediction, heads on frozen features, torch.compile. Decoders: adapters at 1,024 tokens, and
the peak of memory beside what the command estimates. It needs torch, transformers, peft, numpy and scikit-learn alone.

A step that fails, or for which no time is left, is a row that says so. FILE (JSON) and a table of the same name
(Markdown) are written after each step. Figures are medians with the range over repeats in brackets.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # else the Trainer takes all GPUs

import gpu_decoders
import gpu_kernels
import gpu_steps
import torch
import transformers
from gpu_table import table
from gpu_tasks import Shape, shapes

from prefens.members.nn.pooling import Pooling

PEAK_TFLOPS = {  # dense bf16, by the vendor's data sheets; the first name that the device's name contains
    "H100 PCIe": 756, "H100 NVL": 835, "H100": 989, "H200": 989, "A100": 312, "L40S": 362, "L4": 121, "A10": 125,
    "RTX 4090": 165,
}  # fmt: skip
REPEATS = 3
LARGER_BUDGET = 65536  # tokens at once, which a large GPU can hold
LEAST_SECONDS = 5.0  # that a step is begun with


class OutOfTime(BaseException):
    """A step's time is over; no handler of a library's catches it."""


@dataclass(frozen=True)
class Step:
    """One row of the result; `seconds` is the most that it may take."""

    model: str
    name: str
    run: Callable[[gpu_steps.Repeats], dict[str, Any]]
    seconds: float


def steps(tiny: bool) -> Iterator[Step]:
    """Yield all steps, those first that matter most."""
    encoders = [shape for shape in shapes(tiny) if not shape.causal]
    for shape in encoders:
        settings = gpu_steps.encoder_settings(shape)
        larger = gpu_steps.encoder_settings(shape, token_budget=LARGER_BUDGET)
        yield step(shape, "train: Trainer", 40, gpu_steps.train_trainer, settings)
        yield step(shape, "train: prefens", 40, gpu_steps.train_ours, settings)
        yield step(shape, f"train: prefens, token_budget={LARGER_BUDGET}", 30, gpu_steps.train_ours, larger)
        yield step(shape, "predict: Trainer", 20, gpu_steps.predict_trainer, settings)
        yield step(shape, "predict: prefens", 20, gpu_steps.predict_ours, settings)
    yield from decoder_steps(tiny)
    for shape in (shape for shape in shapes(tiny) if not shape.large):
        for kernel in gpu_kernels.kernels_of(shape):
            name = f"kernel: {kernel.name}, dropout {kernel.dropout:g}"
            yield step(shape, name, 10, gpu_kernels.kernel_step, kernel)
    for shape in encoders:
        settings = gpu_steps.encoder_settings(shape)
        yield step(shape, "train: prefens, fused AdamW", 20, partial(gpu_steps.train_ours, fused=True), settings)
        yield step(shape, "frozen: features", 20, gpu_kernels.features_step)
        for pooling in (Pooling.mean, Pooling.attention):
            yield step(shape, f"frozen: head, {pooling.name} pooling", 20, gpu_kernels.head_step, pooling)
    for shape in encoders:
        yield step(shape, "train: prefens, torch.compile", 100, compiled_step)


def compiled_step(shape: Shape, repeats: gpu_steps.Repeats) -> dict[str, Any]:
    if not torch.cuda.is_available():
        raise gpu_steps.NotRun("it needs a GPU: compiling for a CPU takes minutes")
    return gpu_steps.train_ours(shape, gpu_steps.encoder_settings(shape, compile=True), repeats)


def decoder_steps(tiny: bool) -> Iterator[Step]:
    for shape in (shape for shape in shapes(tiny) if shape.causal):
        for way in gpu_decoders.WEIGHTS:
            yield step(shape, f"train: prefens, {way} weights", 100, gpu_decoders.train, way)
            yield step(shape, f"predict: prefens, {way} weights", 60, gpu_decoders.predict, way)
        yield step(shape, "train: Trainer, bf16 weights", 60, gpu_decoders.rival, "bf16")


def step(shape: Shape, name: str, seconds: float, run: Callable[..., dict[str, Any]], *arguments: Any) -> Step:
    return Step(shape.name, name, partial(run, shape, *arguments), seconds)


def run_step(each: Step, end: float, repeats: int) -> dict[str, Any]:
    """Return the row of a step, whatever happens in it."""
    row: dict[str, Any] = {"model": each.model, "step": each.name}
    start = time.monotonic()
    left = min(each.seconds, end - start)
    if left < LEAST_SECONDS:
        return row | {"not_run": "no time was left"}
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        with time_limit(left):
            row |= each.run(gpu_steps.Repeats(repeats, start + 0.8 * left))
    except OutOfTime:
        row["error"] = f"it took more than {left:.0f} s"
    except gpu_steps.NotRun as reason:
        row["not_run"] = str(reason)
    except Exception as error:  # of any library: the other steps go on
        row["error"] = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}"
    return row | {"seconds": time.monotonic() - start}


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTime in the main thread after some seconds, and again where a library swallowed it."""

    def stop(*_: Any) -> None:
        raise OutOfTime

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 5.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def release() -> None:
    """Give back what a step has left on the GPU."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def machine(peak: float | None) -> dict[str, Any]:
    """Return what the figures depend on."""
    cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if cuda else platform.processor() or platform.machine()
    data_sheet = next((each for name, each in PEAK_TFLOPS.items() if name in device), None)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "device": device, "peak_tflops": data_sheet if peak is None else peak, "commit": commit.stdout.strip() or None,
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "numpy")},
        "cuda": torch.version.cuda if cuda else None, "python": platform.python_version(),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="of the whole program, imports included")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="steps whose model or name has one of these in it")
    parser.add_argument("--peak-tflops", type=float, help="of the device in dense bf16, where it is not known")
    parser.add_argument("--out", type=Path, help="a JSON file; the table is written beside it")
    parser.add_argument("--tiny", action="store_true", help="tiny models, to see that all steps run")
    arguments = parser.parse_args()
    end = started() + 60 * arguments.minutes - 10  # the last seconds are for writing and leaving
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    result = machine(arguments.peak_tflops) | {"command": " ".join(sys.argv), "rows": []}
    for each in steps(arguments.tiny):
        if arguments.only and not any(word in f"{each.model} {each.name}" for word in arguments.only):
            continue
        row = run_step(each, end, 1 if arguments.tiny else REPEATS)
        release()
        result["rows"].append(row)
        print(f"{each.model}, {each.name}: {row.get('error') or row.get('not_run') or 'done'}", file=sys.stderr)
        if arguments.out is not None:
            arguments.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
            arguments.out.with_suffix(".md").write_text(table(result), "utf-8")
    print(table(result), end="")


def started() -> float:
    """Return when this process was started, on `time.monotonic`'s clock: importing torch counts too."""
    import psutil

    return time.monotonic() - (time.time() - float(psutil.Process().create_time()))


if __name__ == "__main__":
    main()
