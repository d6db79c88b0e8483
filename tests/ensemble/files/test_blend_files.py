"""The files of a blend: what is read is what was written, and nothing else is taken for it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefens.core.errors import StoreError
from prefens.core.types import Folds, MemberInfo, OOFStack
from prefens.ensemble.blend import Blend, make_blend
from prefens.ensemble.calibration import KINDS
from prefens.ensemble.convex_weights import LogLossWeights
from prefens.ensemble.files.blend_files import blend_tags, describe, read_blend, write_blend
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.soft_vote import SoftVote
from prefens.runner.blend.outputs import record
from prefens.runner.sync import sync_blend
from prefens.store.oof_store import OOFStore
from prefens.store.tracking.factory import Tracking
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.examples import make_stack, random_stack


def blended(folds: Folds, stack: OOFStack, holdout: OOFStack | None = None, calibrations: Any = ()) -> Blend:
    return make_blend(
        BlendInputs(folds, stack, holdout, None), [SoftVote(), LogLossWeights()], [*calibrations], resamples=20
    )


def some_rows_held_out(stack: OOFStack) -> Blend:
    """A blend on some of the rows of its data: a fifth is held out, and the members lack every seventh of the rest."""
    rows = np.arange(len(stack.folds.ids))
    fold = np.where(stack.folds.fold == 4, -1, stack.folds.fold).astype(np.int8)
    folds = replace(stack.folds, fold=fold, truth=np.full((len(rows), 2, 3), 1 / 3))
    kept = folds.scored & (rows % 7 > 0)
    own = OOFStack(stack.members, stack.probabilities[:, kept], folds.rows(kept))
    held_out = OOFStack(stack.members, stack.probabilities[:, ~folds.scored], folds.rows(~folds.scored))
    return blended(folds, own, held_out)


STACK = random_stack(3, 140, seed=2)
ODD = tuple(MemberInfo(name, None, None, tuned_on_oof=name == "m") for name in ("oof é\n", "log_loss", "m"))
HALVES = make_stack(STACK.probabilities, STACK.folds.label, 2)
BLENDS = {
    "calibrated": blended(STACK.folds, STACK, calibrations=KINDS.values()),
    "a hold-out, some rows, the truth": some_rows_held_out(STACK),
    "two folds": blended(HALVES.folds, HALVES),
    "names of methods and line ends": blended(STACK.folds, replace(STACK, members=ODD)),
    "one member": blended(
        STACK.folds, replace(STACK, members=STACK.members[:1], probabilities=STACK.probabilities[:1])
    ),
}


@pytest.mark.parametrize("name", BLENDS)
def test_what_is_read_is_what_was_written(name: str, tmp_path: Path) -> None:
    blend = BLENDS[name]
    write_blend(blend, tmp_path)
    again = read_blend(tmp_path / "blend.json")
    assert json.loads((tmp_path / "blend.json").read_text("utf-8")) == describe(again) == describe(blend)
    assert json.loads((tmp_path / "leaderboard.json").read_text("utf-8")) == [
        row.as_dict() for row in again.leaderboard
    ]
    assert again.leaderboard == blend.leaderboard
    assert (again.members, again.scores(), again.title()) == (blend.members, blend.scores(), blend.title())
    assert again.folds.digest == blend.folds.digest
    for own, other in zip(again.results, blend.results, strict=True):
        np.testing.assert_array_equal(own.probabilities, other.probabilities)
    np.testing.assert_array_equal(again.stack.probabilities, blend.stack.probabilities)


def test_predictions_that_are_missing_or_of_another_blend_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "blend.json"
    write_blend(BLENDS["calibrated"], tmp_path)
    (tmp_path / "predictions.parquet").unlink()
    with pytest.raises(StoreError, match=r"no .*predictions.parquet"):
        read_blend(path)
    stack = random_stack(3, 140, seed=3)
    other_data = replace(stack.folds, data_digest="f" * 64)
    others = {
        "data ": blended(other_data, replace(stack, folds=other_data)),
        "folds ": BLENDS["two folds"],
        "predictions ": blended(
            STACK.folds, replace(STACK, probabilities=STACK.probabilities[[1, 0, 2]]), None, KINDS.values()
        ),
        "no column": BLENDS["names of methods and line ends"],
    }
    write_blend(BLENDS["calibrated"], tmp_path)
    described = path.read_bytes()
    for message, other in others.items():
        write_blend(other, tmp_path)
        path.write_bytes(described)
        with pytest.raises(StoreError, match=message):
            read_blend(path)


def test_each_wrong_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "blend.json"
    write_blend(BLENDS["calibrated"], tmp_path)
    whole = json.loads(path.read_text("utf-8"))
    del whole["best"], whole["members"][1]["log_loss"]
    whole["diagnostics"]["forward"][0] = "low"
    path.write_text(json.dumps(whole))
    with pytest.raises(StoreError) as refused:
        read_blend(path)
    for field in ("best is missing", "members.1.log_loss is missing", "diagnostics.forward.0 is 'low'"):
        assert field in str(refused.value)
    for text in ("[]", "{", "null"):
        path.write_text(text)
        with pytest.raises(StoreError, match=r"blend\.json"):
            read_blend(path)
    with pytest.raises(StoreError, match="No such file"):
        read_blend(tmp_path / "nothing" / "blend.json")


def test_another_best_than_the_scores_say_is_refused(tmp_path: Path) -> None:
    write_blend(BLENDS["calibrated"], tmp_path)
    path = tmp_path / "blend.json"
    whole = json.loads(path.read_text("utf-8"))
    other = next(method["method"] for method in whole["methods"] if method["method"] != whole["best"])
    path.write_text(json.dumps(whole | {"best": other}))
    with pytest.raises(StoreError, match=re.escape(f"best is {other}")):
        read_blend(path)


class Noted(MlflowTracker):
    """Has no blend, and notes the calls of `log_blend`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def has_blend(self, content: str) -> bool:
        return False

    def log_blend(self, *call: Any) -> str:
        self.calls.append(call)
        return "run"


def test_the_stored_blend_has_the_same_files_and_its_run_is_made_of_them(tmp_path: Path) -> None:
    blend = BLENDS["calibrated"]
    split = OOFStore(tmp_path / "runs").put_folds(blend.folds)
    for _ in range(2):  # the second replaces the first
        record(
            blend, BlendInputs(blend.folds, blend.stack, None, split), Tracking("runs", "x", False), tmp_path / "out"
        )
    written = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.*")}
    stored = {path.relative_to(split.blend_dir) for path in split.blend_dir.rglob("*.*")}
    assert stored == {*written, Path("manifest.json")}
    for name in written:
        assert (split.blend_dir / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    tracker = Noted()
    assert sync_blend(split, tracker) == 1
    ((title, content, metrics, tags, files, tables, model, folds, _best),) = tracker.calls
    assert content == tags["prefens.blend"]
    assert (title, tags, model, folds.digest) == ("blend of 3", blend_tags(blend), None, blend.folds.digest)
    assert metrics["oof_log_loss"] == pytest.approx(describe(blend)["best_honest"], abs=1e-12)
    assert metrics["log_loss-vector_honest"] == next(r.honest for r in blend.results if r.method == "log_loss+vector")
    assert {path.relative_to(split.blend_dir) for path in files} == written
    assert [row["member"] for row in tables["members"]] == ["m0", "m1", "m2"]
