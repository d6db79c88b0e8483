"""What a blend leaves behind where the store is damaged, or lacks members of the last blend."""

import json
import shutil
from pathlib import Path

import pytest

from prefens.ensemble.blend import Blend, make_blend
from prefens.ensemble.files.blend_files import read_blend
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.registry import method
from prefens.runner.blend import outputs
from prefens.store.assemble import make_stack
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.factory import Tracking
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.commands import QUIET, prefens
from tests.helpers.examples import make_pairs, write_csv
from tests.helpers.stores import damage
from tests.helpers.teachers import corpus_of, train

TRAIN = ["data.path=train.csv", "folds.k=3", "backbone=tfidf", *QUIET]
BLEND = ["resamples=20", "blender=soft_vote"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of two members, a tracked blend of them, and what it predicts."""
    folder = tmp_path_factory.mktemp("trained")
    write_csv(folder / "train.csv", make_pairs(60))
    write_csv(folder / "test.csv", make_pairs(12, seed=5), labelled=False)
    prefens("train", "-m", *TRAIN, "seed=0,1", cwd=folder)
    prefens("blend", *BLEND, cwd=folder)
    prefens("predict", "data.path=test.csv", cwd=folder)
    return folder


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "copied")


def split_of(folder: Path) -> SplitStore:
    return OOFStore(folder / "runs").select()


def stored(folder: Path) -> dict[str, bytes]:
    """The files of the stored blend and of its saved model, and the best version in MLflow."""
    split, client = split_of(folder), MlflowTracker(folder / "runs", "prefens").client
    files = [path for name in ("blend", "model") for path in (split.path / name).rglob("*") if path.is_file()]
    version = str(client.get_model_version_by_alias("prefens", "best").version)
    return {"version": version.encode()} | {str(path): path.read_bytes() for path in files}


def test_a_member_that_is_gone_leaves_the_stored_blend_as_it_was(copied: Path) -> None:
    before, (first, second) = stored(copied), split_of(copied).member_names()
    gone = split_of(copied).fold_dir(first, 1)
    shutil.rmtree(gone)
    for _ in range(2):
        done = prefens("blend", *BLEND, "out=here", cwd=copied, fails=True)
        assert done.returncode == 3
        assert f"without {first} of the stored blend, which stays: it lacks folds [1]" in " ".join(done.stdout.split())
        for text in (f"{first} lacks folds [1]", f"'members=[{second}]'", "python -m prefens.train", "here"):
            assert text in done.stderr
        assert "Traceback" not in done.stderr
        blend = json.loads((copied / "here" / "blend.json").read_text())
        assert [member["member"] for member in blend["members"]] == [second]
        assert stored(copied) == before
    prefens("predict", "data.path=test.csv", "out=again", cwd=copied)  # by the saved model, which is whole
    assert (copied / "again/submission.csv").read_bytes() == (copied / "submission.csv").read_bytes()
    prefens("train", *TRAIN, "seed=0,1", "-m", cwd=copied)
    prefens("blend", *BLEND, cwd=copied)
    shutil.rmtree(split_of(copied).member_dir(first))
    done = prefens("blend", *BLEND, "out=here", cwd=copied, fails=True)
    assert (done.returncode, f"{first} is not in the store" in done.stderr) == (3, True)
    prefens("blend", *BLEND, f"members=[{second}]", cwd=copied)
    assert [member["member"] for member in split_of(copied).blend()["members"]] == [second]
    prefens("blend", *BLEND, cwd=copied)  # the smaller set is now that of the stored blend


def test_a_member_that_no_blend_has_used_is_left_out_quietly(copied: Path) -> None:
    prefens("train", *TRAIN, "seed=2", "fold=0", cwd=copied)
    done = prefens("blend", *BLEND, cwd=copied)
    assert "lacks folds [1, 2]" in done.stderr
    assert len(split_of(copied).blend()["members"]) == 2


def test_a_damaged_fold_is_refused_by_path_until_it_is_trained_again(copied: Path) -> None:
    split, before = split_of(copied), stored(copied)
    name = split.member_names()[0]
    path = next((split.fold_dir(name, 0) / "model").glob("*.safetensors"))
    for folder in (split.path, split.path / "model" / "data"):  # hard links of one file, before they were copied
        damage(folder / path.relative_to(split.path), "truncated")
    data = {"blend": [], "predict": ["data.path=test.csv"], "report": ["data.path=train.csv"], "kaggle": []}
    for command, given in data.items():
        done = prefens(command, *given, f"out=bad-{command}", cwd=copied, fails=True)
        assert done.returncode == 1
        assert f"{path.relative_to(copied)}: " in done.stderr
        assert "python -m prefens.train" in done.stderr
        assert "Traceback" not in done.stderr
    after = stored(copied)
    assert {file for file in after if after[file] != before[file]} == {
        str(split.path / "model" / "data" / path.relative_to(split.path))
    }
    assert "1 damaged" in prefens("status", cwd=copied).stdout
    prefens("train", "-m", *TRAIN, "seed=0,1", cwd=copied)
    done = prefens("predict", "data.path=test.csv", "out=good", cwd=copied)
    assert "the saved model is damaged" in done.stderr
    assert (copied / "good/submission.csv").read_bytes() == (copied / "submission.csv").read_bytes()
    prefens("blend", *BLEND, cwd=copied)
    assert "damaged" not in prefens("predict", "data.path=test.csv", "out=good", cwd=copied).stderr


def test_a_fold_without_its_model_is_refused(copied: Path) -> None:
    split, before = split_of(copied), stored(copied)
    folder = split.fold_dir(split.member_names()[0], 2) / "model"
    shutil.rmtree(folder)
    assert f"{folder.relative_to(copied)}/" in prefens("blend", *BLEND, cwd=copied, fails=True).stderr
    assert stored(copied) == before


@pytest.mark.parametrize("file", ["folds.parquet", "member.json", "run.json", "blend.json"])
@pytest.mark.parametrize("how", ["truncated", "{}"])
def test_each_damaged_file_is_named_and_made_again(copied: Path, file: str, how: str) -> None:
    path = sorted(split_of(copied).path.rglob(file))[0]
    damage(path, how)
    done = prefens("predict", "data.path=test.csv", "method=soft_vote", "out=bad", cwd=copied, fails=True)
    assert str(path.relative_to(copied)) in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" not in prefens("status", cwd=copied).stderr
    prefens("train", "-m", *TRAIN, "seed=0,1", cwd=copied)
    prefens("blend", *BLEND, cwd=copied)
    prefens("predict", "data.path=test.csv", "method=soft_vote", "out=good", cwd=copied)
    assert (copied / "good/submission.csv").read_bytes() == (copied / "submission.csv").read_bytes()


def test_another_blend_with_the_same_out_reaches_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another command writes to `out`, between this one's files and its store, is not what the store keeps."""
    corpus = corpus_of(make_pairs(80))
    split, specs = train(corpus, tmp_path / "runs")
    runs = {spec.info: [split.predictions(spec, fold) for fold in range(split.k)] for spec in specs}
    inputs = BlendInputs(split.folds, *make_stack(split.folds, runs), split, specs)
    blend = make_blend(inputs, [method("soft_vote")()], (), 20)
    out = tmp_path / "out"

    def draw(blend: Blend, folder: Path) -> list[Path]:
        (out / "blend.json").write_text("{}")
        (out / "predictions.parquet").write_bytes(b"of another blend")
        return []

    monkeypatch.setattr(outputs, "draw", draw)
    outputs.record(blend, inputs, Tracking(str(tmp_path / "runs"), "prefens", mlflow=False), out, model=False)
    assert read_blend(split.find_blend()).predictions_digest == blend.predictions_digest
