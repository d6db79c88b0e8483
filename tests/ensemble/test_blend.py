"""A blend as a whole: its rows, alarms and files, and the check that stored models made what is stored."""

import json
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from prefens.core.metrics import log_loss
from prefens.core.types import MemberInfo, OOFStack
from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.sources import FileSource
from prefens.ensemble.base import Blender
from prefens.ensemble.blend import Blend, make_blend
from prefens.ensemble.calibration import KINDS
from prefens.ensemble.convex_weights import LogLossWeights
from prefens.ensemble.files.blend_files import describe, write_blend
from prefens.ensemble.inputs import BlendInputs, LabelledData
from prefens.ensemble.leaderboard import LeaderboardRow
from prefens.ensemble.registry import restore
from prefens.ensemble.soft_vote import SoftVote
from prefens.ensemble.stacking import Stacking
from prefens.inference.checks import check_predictions
from prefens.inference.predictor import Predictor
from prefens.members.style import StyleMember
from prefens.runner.blend.inputs import with_features
from prefens.runner.blend.outputs import record
from prefens.runner.console import leaderboard_table, member_table
from prefens.runner.trainer import Trainer
from prefens.store.assemble import make_stack
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.factory import Tracking
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import alike_stack, make_pairs, random_stack, run_result, write_csv
from tests.helpers.examples import make_stack as make_halves

METHODS: list[Blender] = [SoftVote(), LogLossWeights()]
NOWHERE = Tracking("runs", "prefens", False)


def blend_of(stack: OOFStack, calibrated: bool = True) -> Blend:
    kinds = list(KINDS.values()) if calibrated else []
    return make_blend(BlendInputs(stack.folds, stack, None, None), METHODS, kinds, resamples=50)


def write_files(blend: Blend, folder: Path) -> None:
    """Write the files of a blend of no store."""
    record(blend, BlendInputs(blend.folds, blend.stack, None, None), NOWHERE, folder)


def test_the_leaderboard_has_every_method_and_the_nested_selection() -> None:
    stack = random_stack(3, 200, seed=1)
    blend = blend_of(stack)
    rows = {row["name"]: row for row in map(LeaderboardRow.as_dict, blend.leaderboard)}
    expected = {"m0", "m1", "m2", "soft_vote", "log_loss", "nested selection", "class prior"}
    assert set(rows) == expected | {blend.best.method}
    assert rows["log_loss"]["calibrated"].keys() == {"temperature", "vector"}
    assert rows["m0"]["calibrated"]["temperature"] != rows["m0"]["log_loss"]
    difference, low, high = rows["log_loss"]["differences"]["soft vote"]
    assert difference == pytest.approx(rows["log_loss"]["log_loss"] - rows["soft_vote"]["log_loss"], abs=1e-12)
    assert low < difference < high
    assert rows["soft_vote"]["differences"]["soft vote"] == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)
    best = min(log_loss(each, stack.folds.label) for each in stack.probabilities)
    assert rows["log_loss"]["differences"]["best member"][0] == pytest.approx(rows["log_loss"]["log_loss"] - best)


def test_one_method_alone_leaves_nothing_to_choose() -> None:
    stack = random_stack(2, 100, seed=0)
    blend = make_blend(BlendInputs(stack.folds, stack, None, None), [SoftVote()], [], resamples=20)
    assert {row.kind for row in blend.leaderboard} == {"member", "blend", "reference"}
    assert describe(blend)["best_honest"] == pytest.approx(blend.best.honest)


def test_alarms_name_leaks_and_doubles() -> None:
    stack = alike_stack(4, 400, seed=6)
    leaky = np.full((1, 400, 3), 0.5 / 3) + 0.5 * np.eye(3)[stack.folds.label]
    infos = (*stack.members, MemberInfo("copy", "b", 1), MemberInfo("leaky", "b", 2))
    whole = np.concatenate([stack.probabilities, stack.probabilities[1:2], leaky])
    alarms = blend_of(OOFStack(infos, whole, stack.folds), calibrated=False).diagnosis.alarms
    assert len(alarms) == 2
    assert "leaky" in alarms[0]
    assert "m1 and copy" in alarms[1]
    assert blend_of(stack, calibrated=False).diagnosis.alarms == []


def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    stack = random_stack(2, 60, seed=0)
    infos = (MemberInfo("a$b_{$[bold]", None, None), MemberInfo("m[v2]", None, None))
    blend = blend_of(OOFStack(infos, stack.probabilities, stack.folds))
    write_files(blend, tmp_path)
    assert (tmp_path / "figures" / "correlation.png").exists()
    console = Console(width=200, record=True, file=StringIO())
    console.print(leaderboard_table(blend.leaderboard, "title"))
    console.print(member_table(blend.members))
    assert console.export_text().count("a$b_{$[bold]") >= 2


def test_a_figure_that_fails_costs_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "figures").write_text("in the way")
    write_files(blend_of(random_stack(2, 60, seed=0)), tmp_path)
    assert (tmp_path / "weights.json").exists()
    assert "figures failed" in caplog.text


def test_with_two_folds_no_score_of_several_methods_is_honest() -> None:
    stack = random_stack(3, 100, seed=0)
    halves = make_halves(stack.probabilities, stack.folds.label, 2)
    blend = blend_of(halves)
    assert describe(blend)["best_honest"] is None
    assert {row.kind for row in blend.leaderboard} == {"member", "blend", "reference"}


def test_the_best_method_is_in_the_table() -> None:
    for seed in range(5):
        blend = blend_of(random_stack(3, 150, seed=seed, sharpness=3.0))
        assert blend.best.method in {row.name for row in blend.leaderboard}


def test_a_blend_that_can_not_predict_does_not_replace_one_that_can(
    trained: tuple[SplitStore, BlendInputs], tmp_path: Path
) -> None:
    split, gathered = trained
    record(make_blend(gathered, METHODS, resamples=20), gathered, NOWHERE, tmp_path, model=False)
    before = split.blend()
    half = gathered.stack.rows(np.arange(len(gathered.stack.folds.ids)) % 2 == 0)
    for other in (replace(gathered, stored=()), replace(gathered, stack=half)):
        record(make_blend(other, [SoftVote()], resamples=20), other, NOWHERE, tmp_path / "other", model=False)
        assert split.blend() == before
    assert json.loads((tmp_path / "other/blend.json").read_text())["n_pairs"] == len(half.folds.ids)


def test_its_files_hold_what_predicts(tmp_path: Path) -> None:
    stack = random_stack(3, 120, seed=3)
    blend = blend_of(stack)
    write_files(blend, tmp_path)
    described = json.loads((tmp_path / "blend.json").read_text())
    weights = json.loads((tmp_path / "weights.json").read_text())
    assert weights["method"] == described["best"] == blend.best.method
    assert weights["members"] == ["m0", "m1", "m2"]
    predicted = restore(weights["state"]).predict(stack.probabilities)
    assert log_loss(predicted, stack.folds.label) == pytest.approx(blend.best.fitted, abs=1e-12)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "weights.png", "forward.png", "correlation.png", "calibration.png",
    }  # fmt: skip
    members = described["diagnostics"]["members"]
    assert [row["member"] for row in members] == ["m0", "m1", "m2"]
    assert sum(row["weight"] for row in members) == pytest.approx(1.0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[SplitStore, BlendInputs]:
    folder = tmp_path_factory.mktemp("blending")
    source = FileSource(path=str(write_csv(folder / "train.csv", make_pairs(90))))
    corpus = make_corpus(source, FoldSettings(k=3, holdout=0.2))
    split = OOFStore(folder).put_folds(corpus.folds)
    specs = []
    for seed, strength in enumerate((0.01, 1.0)):
        kind, recipe = "style", {"strength": strength}
        spec = MemberSpec("style", kind, recipe, seed, corpus.folds.data_digest, corpus.folds.digest)
        make = lambda strength=strength: StyleMember("style", strengths=[strength])  # noqa: E731
        Trainer(corpus, split, NoTracker(), folder).train_member(spec, make, range(3))
        specs.append(spec)
    runs = {spec.info: [split.predictions(spec, fold) for fold in range(3)] for spec in specs}
    stack, holdout = make_stack(split.folds, runs)
    return split, BlendInputs(split.folds, stack, holdout, split, specs, LabelledData(source.load().pairs))


def test_stored_models_predict_what_is_stored(trained: tuple[SplitStore, BlendInputs], tmp_path: Path) -> None:
    split, gathered = trained
    assert gathered.pairs is not None
    assert [*check_predictions(split, gathered.stored, gathered.pairs, 10, [])] == []


def test_probabilities_of_another_model_are_named(trained: tuple[SplitStore, BlendInputs], tmp_path: Path) -> None:
    gathered = trained[1]
    split = SplitStore(shutil.copytree(trained[0].path, tmp_path / "runs" / "store" / trained[0].path.name))
    first, second = gathered.stored
    assert gathered.pairs is not None
    predictions, other = split.predictions(first, 1), split.fold_dir(second.name, 2) / "model"

    def save_other(folder: Path) -> None:
        shutil.copytree(other, folder, dirs_exist_ok=True)

    split.put(first, predictions, run_result(), save_other)
    (alarm,) = check_predictions(split, gathered.stored, gathered.pairs, 10, [])
    assert alarm.startswith(f"{first.name}, fold 1:")
    assert make_blend(gathered, METHODS, resamples=20).with_alarms([alarm]).diagnosis.alarms[0] == alarm
    assert [*check_predictions(split, gathered.stored, gathered.pairs, 0, [])] == []


def test_a_blend_with_style_features_predicts_new_pairs(trained: tuple[SplitStore, BlendInputs]) -> None:
    split, gathered = trained
    blend = make_blend(with_features(gathered), [Stacking(style=True)], resamples=20)
    assert blend.best.holdout is not None
    split.put_blend(lambda folder: write_blend(blend, folder))
    predictor = Predictor.of_store(split, "best")
    pairs = make_pairs(12, seed=4)
    predicted = predictor.predict_pairs(pairs)
    swapped = predictor.predict_pairs(pairs.swapped())
    np.testing.assert_allclose(predicted, swapped[:, [1, 0, 2]], atol=1e-9)


def test_incomplete_labels_of_a_hold_out_are_not_scored(trained: tuple[SplitStore, BlendInputs]) -> None:
    blend = make_blend(replace(trained[1], holdout=None), METHODS, resamples=20)
    assert all(row.holdout is None for row in blend.leaderboard)
