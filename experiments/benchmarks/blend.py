"""Blending at the competition's size, against the solvers that people use: python experiments/benchmarks/blend.py

Members are noisy views of a known truth that share parts of their errors, as encoders of one family do. Rivals get
what they need to be fast: SciPy's SLSQP the analytic gradient, Caruana's selection vectorised true-class
probabilities, scikit-learn's logistic regression the log odds and its default solver.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from prefens.core import metrics
from prefens.core.symmetric_logistic import log_odds
from prefens.core.types import Floats, Folds, MemberInfo, OOFStack
from prefens.ensemble.calibration import KINDS
from prefens.ensemble.convex_weights import LogLossWeights
from prefens.ensemble.crossfit import evaluate
from prefens.ensemble.diagnostics import diagnose
from prefens.ensemble.registry import BLENDERS
from prefens.ensemble.simplex_solver import certificate, minimize_log_loss
from prefens.ensemble.stacking import Stacking

ROWS, MEMBERS, FAMILIES, FOLDS = 57_477, 60, 6, 5


def make_stack(members: int, rows: int, dtype: Any = np.float64) -> OOFStack:
    """Return members of a few families with shared errors, on five folds of prompt groups."""
    generator = np.random.default_rng(0)
    logits = 0.7 * generator.normal(size=(rows, 3))
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    label = (generator.random((rows, 1)) > truth.cumsum(axis=1)).sum(axis=1).clip(0, 2).astype(np.int8)
    shared = 0.7 * generator.normal(size=(FAMILIES, rows, 3)).astype(dtype)
    probabilities = np.empty((members, rows, 3), dtype=dtype)
    for member in range(members):
        own = logits * generator.uniform(0.4, 1.0) + shared[member % FAMILIES] * generator.uniform(0.2, 0.8)
        own = own + generator.uniform(0.1, 0.6) * generator.normal(size=(rows, 3))
        shares = np.exp(own)
        probabilities[member] = shares / shares.sum(axis=1, keepdims=True)
    group = generator.integers(0, int(0.83 * rows), size=rows)
    ids = np.array([str(row) for row in range(rows)], dtype=object)
    about = {"k": FOLDS, "scheme": "stratified_group", "seed": 0, "holdout": 0.0}
    folds = Folds(ids, label, group.astype(str).astype(object), (group % FOLDS).astype(np.int8), about, "0" * 64)
    return OOFStack(tuple(MemberInfo(f"m{place:04d}", "b", 0) for place in range(members)), probabilities, folds)


def log_loss_of(weights: Floats, p_true: Floats) -> float:
    return -float(np.log(weights @ p_true).mean())


def slsqp(p_true: Floats) -> Floats:
    """SciPy's general solver, with the analytic gradient."""
    from scipy.optimize import minimize

    def objective(weights: Floats) -> tuple[float, Floats]:
        mixture = weights @ p_true
        return -float(np.log(mixture).mean()), -(p_true @ (1.0 / mixture)) / p_true.shape[1]

    members = len(p_true)
    total = {"type": "eq", "fun": lambda weights: weights.sum() - 1.0, "jac": lambda weights: np.ones(members)}
    start, bounds = np.full(members, 1.0 / members), [(0.0, 1.0)] * members
    found = minimize(objective, start, jac=True, bounds=bounds, constraints=total, method="SLSQP", options=TIGHT)
    clipped = np.clip(found.x, 0.0, None)
    scaled: Floats = clipped / clipped.sum()
    return scaled


TIGHT = {"ftol": 1e-9, "maxiter": 500}


def caruana(p_true: Floats, rounds: int = 100) -> Floats:
    """Greedy selection with replacement, all candidates of a round at once."""
    total, counts = np.zeros(p_true.shape[1]), np.zeros(len(p_true))
    for _ in range(rounds):
        best = int(np.log(total + p_true).sum(axis=1).argmax())
        total += p_true[best]
        counts[best] += 1
    shares: Floats = counts / counts.sum()
    return shares


def sklearn_stacking(stack: OOFStack) -> Any:
    """scikit-learn's multinomial logistic regression on the members' log odds."""
    from sklearn.linear_model import LogisticRegression

    odd, even = log_odds(stack.probabilities)
    return LogisticRegression(max_iter=1000).fit(np.concatenate([odd, even]).T, stack.folds.label)


def timed(run: Callable[[], Any], repeats: int) -> tuple[Any, list[float]]:
    """Return the last result, and the seconds of each repetition."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        found = run()
        seconds.append(time.perf_counter() - started)
    return found, seconds


def solvers() -> None:
    """log_loss against SLSQP and Caruana, stacking against scikit-learn; in one process, one after the other."""
    stack = make_stack(MEMBERS, ROWS)
    p_true = metrics.p_true(stack.probabilities, stack.folds.label)
    results = {}
    for name, run in (
        ("log_loss", lambda: minimize_log_loss(p_true)),
        ("log_loss, from the stack", lambda: LogLossWeights().fit(stack).weights),
        ("SLSQP", lambda: slsqp(p_true)),
        ("Caruana, 100 rounds", lambda: caruana(p_true)),
    ):
        weights, seconds = timed(run, 5)
        results[name] = weights
        tell(name, seconds, log_loss=log_loss_of(weights, p_true), certificate=certificate(p_true, weights))
    _, seconds = timed(lambda: Stacking(ridges=[1e-3]).fit(stack), 3)
    tell("stack, one ridge", seconds)
    _, seconds = timed(lambda: sklearn_stacking(stack), 1)
    tell("scikit-learn stacking", seconds)


def everything() -> None:
    """blender=all with both calibrations, the nested selection, and diagnostics with 1,000 resamples."""
    stack = make_stack(MEMBERS, ROWS)
    before = peak()
    (results, nested), seconds = timed(
        lambda: evaluate([kind() for kind in BLENDERS], stack, calibrations=list(KINDS.values())), 1
    )
    middle = peak()
    _, more = timed(lambda: diagnose(stack, 1000, 2), 1)
    size = stack.probabilities.nbytes / 1e6
    assert nested is not None
    tell("every method, nested", seconds, methods=len(results), memory_per_stack=(middle - before) / size)
    tell("diagnostics", more, memory_per_stack=(peak() - before) / size)
    tell("together", [seconds[0] + more[0]], best=min(result.honest for result in results), nested=nested.honest)


def thousand() -> None:
    """1,000 members in single precision."""
    before = peak()
    stack = make_stack(1000, ROWS, np.float32)
    made = peak()
    blender, seconds = timed(lambda: LogLossWeights().fit(stack), 1)
    gap = certificate(metrics.p_true(stack.probabilities, stack.folds.label), blender.weights)
    tell(
        "1,000 members", seconds, stack_mb=stack.probabilities.nbytes / 1e6, process_mb=peak(), fit_mb=peak() - made,
        certificate=gap, start_mb=before,
    )  # fmt: skip


def peak() -> float:
    """Return the largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def tell(name: str, seconds: list[float], **facts: float) -> None:
    """Print a measurement as a line of JSON."""
    spread = {"median_s": float(np.median(seconds)), "range_s": [min(seconds), max(seconds)]}
    print(json.dumps({"what": name, **spread, **facts}), flush=True)


PARTS: dict[str, Callable[[], None]] = {"solvers": solvers, "everything": everything, "thousand": thousand}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "part", nargs="?", choices=[*PARTS], help="one part; all of them, each in a process, if not given"
    )
    given = parser.parse_args().part
    if given:
        PARTS[given]()
    else:
        print(json.dumps({"python": platform.python_version(), "numpy": np.__version__}), flush=True)
        for part in PARTS:
            subprocess.run([sys.executable, __file__, part], check=True)
