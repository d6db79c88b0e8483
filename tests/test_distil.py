"""The command that trains a student for a stored blend, as a user calls it, and what it says of both."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefens.core.metrics import log_loss
from prefens.ensemble.files.distillation_file import FILE_NAME, read_distillation
from prefens.inference.predictor import Predictor
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from tests.helpers.commands import prefens
from tests.helpers.examples import make_pairs, write_probabilities
from tests.helpers.formats import wsdm
from tests.helpers.pages import Elements

DATA = ["data=synthetic", "data.rows=150", "folds.k=3", "folds.holdout=0.2", "tracking=none"]
TINY = ["backbone.strengths=[0.1]"]
STUDENT = ["backbone=tfidf", "backbone.bits=10", *TINY, "cost_pairs=8"]


def distil(folder: Path, *arguments: str, data: Sequence[str] = DATA, fails: bool | None = False) -> str:
    """Run the command, and return what it printed; what it logged too, where it may fail."""
    done = prefens("distil", *data, *STUDENT, *arguments, cwd=folder, fails=fails)
    return done.stdout if fails is False else done.stdout + done.stderr


def made(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "runs" / "distil.json").read_text())
    return content


def split_of(folder: Path) -> SplitStore:
    return OOFStore(folder / "runs").select()


def blend_files(folder: Path) -> dict[str, bytes]:
    """Return the content of the stored blend's files, without its figures."""
    return {path.name: path.read_bytes() for path in split_of(folder).blend_dir.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two cheap members and their blend."""
    folder = tmp_path_factory.mktemp("teachers")
    prefens("train", "-m", *DATA, "backbone=style", "backbone.strengths=[0.1],[0.01]", cwd=folder)
    prefens("blend", "tracking=none", "model=false", "resamples=20", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def nested(teachers: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of that folder with a student of nested teachers, and what the command printed."""
    folder = tmp_path_factory.mktemp("nested")
    shutil.copytree(teachers / "runs", folder / "runs")
    return folder, distil(folder, "teacher.scheme=nested")


@pytest.fixture
def copy(teachers: Path, tmp_path: Path) -> Path:
    shutil.copytree(teachers / "runs", tmp_path / "runs")
    return tmp_path


def test_the_numbers_are_those_of_the_store(nested: tuple[Path, str]) -> None:
    folder, printed = nested
    content, split = made(folder), split_of(folder)
    spec, folds = split.member(content["student"]), split.folds
    leaders = {row["name"]: row for row in json.loads((split.blend_dir / "leaderboard.json").read_text())}
    blend = split.blend()
    out_of_fold, held_out = content["comparisons"]
    assert (out_of_fold["rows"], held_out["rows"]) == ("out of fold", "hold-out")
    label = dict(zip(folds.ids, folds.label, strict=True))
    runs = [split.predictions(spec, fold) for fold in range(3)]
    ids = np.concatenate([run.ids for run in runs])
    own = log_loss(np.concatenate([run.probabilities for run in runs]), np.array([label[id_] for id_ in ids]))
    assert out_of_fold["n_pairs"] == len(ids) == folds.scored.sum()
    assert out_of_fold["student"]["log_loss"] == pytest.approx(own, abs=1e-12)
    assert out_of_fold["teacher"]["log_loss"] == pytest.approx(blend["best_honest"], abs=1e-12)
    full = split.predictions(spec, 3)
    assert len(full.ids) == 0
    own = log_loss(full.holdout_probabilities, np.array([label[id_] for id_ in full.holdout_ids]))
    assert held_out["n_pairs"] == (~folds.scored).sum()
    assert held_out["student"]["log_loss"] == pytest.approx(own, abs=1e-12)
    assert held_out["teacher"]["log_loss"] == pytest.approx(leaders[blend["best"]]["holdout"], abs=1e-12)
    for each in (out_of_fold, held_out):
        mean, low, high = each["difference"]
        assert mean == pytest.approx(each["student"]["log_loss"] - each["teacher"]["log_loss"], abs=1e-12)
        assert low < mean < high
        assert f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]" in printed
    student, teacher = content["costs"]["student"], content["costs"]["teacher"]
    assert (student["models"], student["pairs"], teacher["pairs"]) == (1, 8, 8)
    assert teacher["models"] in (3, 6)  # of the members that the best method uses
    assert f"{teacher['seconds']:.2f} s" in printed
    stored = read_distillation(split.member_dir(spec.name) / FILE_NAME, folds)
    assert stored.as_dict() == content
    assert stored.content == [split.record(spec, fold).content for fold in range(4)]


def test_saved_models_have_no_ids_and_nothing_of_teachers(nested: tuple[Path, str], tmp_path: Path) -> None:
    split = split_of(nested[0])
    assert [*split.path.glob("members/*/nested/fold-0-1")]
    for method in (made(nested[0])["student"], "best"):
        Predictor.of_store(split, method).save(tmp_path / method)
        files = [path for path in (tmp_path / method).rglob("*") if path.is_file()]
        assert [path for path in files if path.suffix == ".parquet" or "nested" in path.parts] == []
        assert [path for path in files if path.suffix == ".safetensors"]


def test_folds_that_no_teacher_was_trained_in_are_refused_and_leave_nothing(teachers: Path) -> None:
    before = sorted((teachers / "runs" / "store").iterdir())
    said = distil(teachers, "folds.holdout=0.1", fails=True)
    assert "no member was trained on these pairs in these folds" in said
    assert "k=3, seed=0, holdout=0.2): style-" in said
    assert sorted((teachers / "runs" / "store").iterdir()) == before


@pytest.mark.slow
def test_what_cannot_teach_or_learn_is_refused_in_words(copy: Path, nested: tuple[Path, str]) -> None:
    learned = made(nested[0])["student"]
    assert "learned from a teacher itself" in distil(nested[0], f"teacher.source={learned}", fails=True)
    boosted = prefens("distil", *DATA, "backbone=style-boosting", cwd=copy, fails=True)
    assert "learns from votes alone" in boosted.stderr
    assert "set teacher.source=blend" in distil(copy, "teacher.source=null", fails=True)
    shutil.rmtree(split_of(copy).blend_dir)
    assert "blend first: python -m prefens.blend" in distil(copy, fails=True)


@pytest.mark.slow
def test_an_external_member_teaches_under_oof_alone(copy: Path) -> None:
    """It has no models, which could be trained without two folds, or whose cost could be measured."""
    split = split_of(copy)
    truth = split.folds.truth
    assert truth is not None
    write_probabilities(copy / "mine.csv", split.folds.ids, truth[:, 1])
    prefens("import_oof", "path=mine.csv", "name=mine", "tracking=none", cwd=copy)
    said = distil(copy, "teacher.source=mine", "teacher.scheme=nested", fails=True)
    assert "the store has no models" in said
    assert "training a nested teacher" not in said
    distil(copy, "teacher.source=mine")
    costs = made(copy)["costs"]
    assert costs["student"]["models"] == 1
    assert costs["teacher"] is None
    (compared,) = made(copy)["comparisons"]
    held_out = ~split.folds.scored
    assert compared["teacher"]["log_loss"] == pytest.approx(log_loss(truth[held_out, 1], split.folds.label[held_out]))
    assert "the store has no models" in distil(copy, "teacher.source=mine.csv", "teacher.scheme=nested", fails=True)


@pytest.mark.slow
def test_what_is_stopped_and_killed_goes_on_to_the_same_student(copy: Path, nested: tuple[Path, str]) -> None:
    scheme = "teacher.scheme=nested"
    line = [sys.executable, "-m", "prefens.distil", *DATA, *STUDENT, scheme]
    process = subprocess.Popen(line, cwd=copy, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and len([*split_of(copy).path.glob("members/*/nested/fold-*")]) < 2:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stored = {path: path.stat().st_mtime_ns for path in split_of(copy).path.glob("members/*/nested/*/run.json")}
    assert 0 < len(stored) < 6
    starts = 1
    while "the time budget is spent; the same command goes on" in distil(copy, scheme, "budget_minutes=0", fails=None):
        starts += 1
        assert starts < 12
    assert starts > 4  # the student's three folds and the fit on all of them, each in a start of its own
    assert {path: path.stat().st_mtime_ns for path in stored} == stored
    both = []
    for folder in (copy, nested[0]):
        split, content = split_of(folder), made(folder)
        spec = split.member(content["student"])
        runs = [split.predictions(spec, fold) for fold in range(4)]
        said_of_all = [np.concatenate([run.probabilities, run.holdout_probabilities]).tolist() for run in runs]
        both.append((spec, content["comparisons"], said_of_all))
    assert both[0] == both[1]


@pytest.mark.slow
def test_students_are_marked_and_change_no_blend_unless_they_are_named(copy: Path) -> None:
    before = blend_files(copy)
    sweep = ["teacher.source=blend", "teacher.scheme=oof,nested"]
    student = [part for part in STUDENT if "cost" not in part]
    printed = prefens("train", "-m", *DATA, *student, *sweep, cwd=copy).stdout
    assert printed.count("(taught)") == 1
    marks = {}
    for run in json.loads((copy / "runs" / "train.json").read_text())["runs"]:
        marks[run["member"]] = run.get("taught_on_oof", False)
    assert sorted(marks.values()) == [False, True]
    prefens("blend", "tracking=none", "model=false", "resamples=20", cwd=copy)
    assert blend_files(copy) == before
    names = ",".join([*json_names(before), *marks])
    blended = ["tracking=none", "model=false", "resamples=20", f"members=[{names}]"]
    printed = prefens("blend", *blended, cwd=copy).stdout
    taught, _ = sorted(marks, key=lambda name: not marks[name])
    assert printed.count("(taught)") >= 3  # the member in two tables, and each blend of it
    rows = json.loads((split_of(copy).blend_dir / "leaderboard.json").read_text())
    assert {row["name"] for row in rows if row["kind"] == "blend" and not row.get("taught_on_oof")} == set()
    members = {row["member"]: row.get("taught_on_oof", False) for row in split_of(copy).blend()["members"]}
    assert [name for name, mark in members.items() if mark] == [taught]
    prefens("report", "tracking=none", "resamples=20", "swaps=0", cwd=copy)
    assert "(taught)" in Elements((copy / "report.html").read_text("utf-8")).text
    assert "learned from a teacher itself" in distil(copy, fails=True)


def json_names(files: dict[str, bytes]) -> list[str]:
    return [row["member"] for row in json.loads(files["blend.json"])["members"]]


@pytest.mark.slow
def test_two_outcomes_and_no_hold_out(tmp_path: Path) -> None:
    """Without a hold-out the oof student has no honest figure, and the command says so."""
    wsdm(make_pairs(90, classes=2)).to_parquet(tmp_path / "wsdm.parquet")
    data = ["data.path=wsdm.parquet", "folds.k=3", "tracking=none"]
    prefens("train", *data, *TINY, "backbone=style", cwd=tmp_path)
    prefens("blend", "tracking=none", "model=false", "resamples=20", cwd=tmp_path)
    assert "No honest comparison" in distil(tmp_path, data=data)
    assert made(tmp_path)["comparisons"] == []
    printed = distil(tmp_path, "teacher.scheme=nested", data=data)
    assert "log loss, out of fold (90 pairs)" in printed
    split, content = split_of(tmp_path), made(tmp_path)
    stored = read_distillation(split.member_dir(content["student"]) / FILE_NAME, split.folds)
    assert stored.comparisons[0].student.shape == (90, 2)
