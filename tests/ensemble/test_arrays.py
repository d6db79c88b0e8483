"""Blending from Python: the numbers of the command without its libraries, and refusals that name both sides."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prefens.core import metrics
from prefens.core.errors import ConfigError, DataError, PrefensError
from prefens.core.metrics import log_loss
from prefens.core.types import SWAP
from prefens.ensemble import LogLossWeights, blend_arrays
from prefens.ensemble.registry import METHODS
from prefens.ensemble.simplex_solver import minimize_log_loss
from tests.helpers.commands import prefens
from tests.helpers.examples import random_stack, write_probabilities

STACK = random_stack(3, 150, seed=1)
LABELS = STACK.folds.label
MEMBERS = {"m1": STACK.probabilities[0], "m2": STACK.probabilities[1], "m3": STACK.probabilities[2]}
GROUPS = STACK.folds.group
DOCS = Path(__file__).parents[2] / "docs" / "blending.md"
HEAVY = {"torch", "transformers", "mlflow", "hydra", "omegaconf", "pandas", "pyarrow", "sklearn", "matplotlib"}


def test_arrays_of_two_outcomes() -> None:
    stack = random_stack(2, 90, seed=3, outcomes=2)
    members = dict(zip(("a", "b"), stack.probabilities, strict=True))
    result = blend_arrays(members, stack.folds.label, method="log_loss+vector", k=3)
    assert result.predictions.shape == (90, 2)
    assert result.predict(members).shape == (90, 2)
    with pytest.raises(DataError, match="numbers of outcomes: a 2, b 3"):
        blend_arrays(members | {"b": np.full((90, 3), 1 / 3)}, stack.folds.label)
    with pytest.raises(DataError, match=r"0 \(A wins\) or 1"):
        blend_arrays(members, np.full(90, 2))


@pytest.mark.parametrize("grouped", [pytest.param(True, marks=pytest.mark.slow), False])
def test_arrays_give_what_the_command_finds_in_files(grouped: bool, tmp_path: Path) -> None:
    ids = [f"{row:03d}" for row in range(len(LABELS))]
    labels = pd.DataFrame({"id": ids, "label": LABELS})
    (labels.assign(group=GROUPS) if grouped else labels).to_csv(tmp_path / "labels.csv", index=False)
    for name, values in MEMBERS.items():
        write_probabilities(tmp_path / f"{name}.csv", ids, values)
    files = f"members=[{','.join(f'{name}.csv' for name in MEMBERS)}]"
    own = ["labels=labels.csv", "calibrations=[temperature]", "folds.k=4", "folds.seed=3", "resamples=10"]
    prefens("blend", files, *own, "tracking=none", "out=blended", cwd=tmp_path)
    blend = json.loads((tmp_path / "blended" / "blend.json").read_text())
    predictions = pd.read_parquet(tmp_path / "blended" / "predictions.parquet")
    for entry in blend["methods"]:
        result = blend_arrays(MEMBERS, LABELS, GROUPS if grouped else None, entry["method"], k=4, seed=3)
        assert result.weights == entry["weights"]
        assert (result.honest, result.honest_se, result.fitted) == tuple(
            entry[name] for name in ("honest", "honest_se", "fitted")
        )
        columns = [f"honest {entry['method']} {outcome}" for outcome in ("a_wins", "b_wins", "tie")]
        np.testing.assert_array_equal(result.predictions, predictions[columns])
        np.testing.assert_array_equal(result.folds, predictions["fold"])


def test_honest_predictions_are_fitted_without_their_fold() -> None:
    result = blend_arrays(MEMBERS, LABELS, GROUPS)
    p_true = metrics.p_true(STACK.probabilities, LABELS)
    for fold in range(5):
        rows = result.folds == fold
        weights = minimize_log_loss(p_true[:, ~rows])
        expected = np.einsum("m,mnk->nk", weights, STACK.probabilities[:, rows])
        np.testing.assert_allclose(result.predictions[rows], expected, atol=1e-12)
    assert result.honest == pytest.approx(log_loss(result.predictions, LABELS), abs=1e-12)
    assert all(len(set(result.folds[group == GROUPS])) == 1 for group in set(GROUPS))


@pytest.mark.parametrize("method", [*METHODS, "log_loss+vector"])
def test_swapping_a_and_b_swaps_the_prediction(method: str) -> None:
    result = blend_arrays(MEMBERS, LABELS, method=method)
    swapped_members = {name: values[:, SWAP] for name, values in MEMBERS.items()}
    predicted = result.predict(MEMBERS)
    np.testing.assert_allclose(predicted[:, SWAP], result.predict(swapped_members), atol=1e-12)
    np.testing.assert_allclose(predicted.sum(axis=1), 1.0, atol=1e-9)
    assert log_loss(predicted, LABELS) == pytest.approx(result.fitted, abs=1e-12)


def test_swapped_data_give_the_same_weights() -> None:
    swapped = blend_arrays({name: values[:, SWAP] for name, values in MEMBERS.items()}, SWAP[LABELS])
    assert swapped.weights == pytest.approx(blend_arrays(MEMBERS, LABELS).weights, abs=1e-9)


def test_a_blender_may_have_settings_of_its_own() -> None:
    result = blend_arrays(MEMBERS, LABELS, method=LogLossWeights(shrinkage=[1e4]))
    assert result.weights == pytest.approx(dict.fromkeys(MEMBERS, 1 / 3), abs=1e-4)


def test_a_member_without_weight_need_not_predict() -> None:
    useless = np.roll(np.eye(3)[LABELS], 1, axis=1)
    result = blend_arrays({**MEMBERS, "useless": useless}, LABELS)
    assert result.weights is not None
    assert result.weights["useless"] == 0
    expected = result.predict({**MEMBERS, "useless": useless})
    np.testing.assert_array_equal(result.predict(MEMBERS), expected)


def spoilt(row: int, value: Any) -> np.ndarray:
    values = MEMBERS["m1"].copy()
    values[row] = value
    return values


@pytest.mark.parametrize(
    ("arguments", "came", "expected"),
    [
        ({"members": {}}, "no members", "one or more"),
        ({"members": {"m1": MEMBERS["m1"][:, :1]}}, r"m1: an array of shape \(150, 1\)", r"\(rows, 3\)"),
        ({"members": {"m1": MEMBERS["m1"][:, 0]}}, r"shape \(150,\)", "a_wins, b_wins, tie"),
        ({"members": {**MEMBERS, "m2": MEMBERS["m2"][:9]}}, "m1 150, m2 9", "the same rows"),
        ({"members": {"m1": spoilt(7, 0.3)}}, r"1 of 150 rows, such as row 7.* sum 0\.9", "sum to 1 within 1e-06"),
        ({"members": {"m1": spoilt(7, [-0.5, 1.0, 0.5])}}, "row 7", "none negative"),
        ({"members": {"m1": spoilt(7, np.nan)}}, "row 7", "finite"),
        ({"labels": LABELS[:9]}, r"labels of shape \(9,\)", r"\(150,\)"),
        ({"labels": np.eye(3)[LABELS]}, r"labels of shape \(150, 3\)", r"argmax"),
        ({"labels": np.where(np.arange(150) == 4, 3, LABELS)}, "such as 3 in row 4", "2 (tie)"),
        ({"labels": np.where(np.arange(150) == 4, np.nan, LABELS)}, "such as nan in row 4", "2 (tie)"),
        ({"groups": GROUPS[:9]}, "9 groups", "150"),
        ({"groups": [None, *GROUPS[1:]]}, "1 of 150 groups missing, such as that of row 0", "share a prompt"),
        ({"groups": ["the same"] * 150}, "150 pairs with 1 different prompt", "at least one prompt"),
        ({"k": 1}, "k=1", "2 to 100"),
        ({"method": "loss"}, "'loss'", "log_loss"),
        ({"method": "log_loss+heat"}, "'heat'", "temperature, vector"),
        ({"method": "log_pool+temperature"}, "log_pool.temperature", "does not contain"),
    ],
)
def test_what_came_and_what_was_expected_are_said(arguments: dict[str, Any], came: str, expected: str) -> None:
    with pytest.raises(PrefensError) as refused:
        blend_arrays(**{"members": MEMBERS, "labels": LABELS, **arguments})
    assert isinstance(refused.value, DataError | ConfigError)
    assert re.search(came, refused.value.came)
    assert re.search(expected.replace("(tie)", r"\(tie\)"), str(refused.value))


def test_other_members_than_the_fitted_ones_are_refused() -> None:
    result = blend_arrays(MEMBERS, LABELS, method="soft_vote")
    for members in ({"m1": MEMBERS["m1"]}, {**MEMBERS, "m4": MEMBERS["m1"]}, {}):
        with pytest.raises(DataError, match="m1, m2, m3"):
            result.predict(members)
    with pytest.raises(DataError, match="m2 149"):
        result.predict({**MEMBERS, "m2": MEMBERS["m2"][1:]})


def test_the_lines_in_the_documentation_need_no_heavy_library() -> None:
    (lines,) = re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert len(lines.splitlines()) <= 5
    code = f"""
import sys
import numpy as np
(p1, p2), (t1, t2) = np.random.default_rng(0).dirichlet(np.ones(3), (2, 200)), np.full((2, 9, 3), 1 / 3)
labels, prompts = np.arange(200) % 3, np.arange(200) // 2
{lines}
assert test.shape == (9, 3), test.shape
print(sorted({HEAVY} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
