"""The commands, as a user calls them, from a CSV to a submission."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prefens.core.metrics import log_loss
from tests.helpers.commands import COLUMNS, QUIET, prefens
from tests.helpers.containers import as_nobody
from tests.helpers.examples import make_pairs, write_csv

SCORES = ("method", "fitted", "honest", "honest_se")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv, test.csv and a store with a blend of two members on a hold-out."""
    folder = tmp_path_factory.mktemp("trained")
    write_csv(folder / "train.csv", make_pairs(120))
    write_csv(folder / "test.csv", make_pairs(30, seed=5), labelled=False)
    common = ["data.path=train.csv", "folds.holdout=0.1", "tracking=none", "tracking.root=runs"]
    prefens("train", "-m", *common, "backbone=tfidf", "backbone.bits=10,11", "backbone.strengths=[0.1]", cwd=folder)
    done = prefens("blend", "tracking=none", cwd=folder)
    assert "arn" not in done.stderr
    return folder


def test_blend_json_has_the_promised_form(trained: Path) -> None:
    found = json.loads((trained / "blend.json").read_text())
    assert set(found) == {
        "n_pairs", "data_digest", "fold_digest", "members", "methods", "best", "best_honest", "best_honest_se",
        "chosen_without_fold", "diagnostics", "nested", "predictions_digest",
    }  # fmt: skip
    assert len(found["data_digest"]) == len(found["fold_digest"]) == 64
    assert [set(member) for member in found["members"]] == [
        {"member", "backbone", "seed", "recipe", "log_loss", "holdout"}
    ] * 2
    names = [member["member"] for member in found["members"]]
    assert [method["method"] for method in found["methods"]] == ["soft_vote", "log_loss"]
    for method in found["methods"]:
        assert set(method) == {*SCORES, "differences", "weights", "holdout", "state"}
        assert sorted(method["weights"]) == sorted(names)
        assert sum(method["weights"].values()) == pytest.approx(1.0)
        assert method["fitted"] <= method["honest"] + 1e-9
    assert found["best"] == min(found["methods"], key=lambda method: method["honest"])["method"]
    assert found["best_honest"] >= min(method["honest"] for method in found["methods"])
    assert set(found["chosen_without_fold"]) == set("01234")
    assert 105 <= found["n_pairs"] <= 111


def test_the_table_is_json_too(trained: Path) -> None:
    rows = json.loads((trained / "leaderboard.json").read_text())
    assert {row["kind"] for row in rows} == {"member", "blend", "choice", "reference"}
    ranked = [row["log_loss"] for row in rows if row["kind"] != "reference"]
    assert ranked == sorted(ranked)


def test_predict_writes_the_submission_in_the_order_of_the_input(trained: Path, tmp_path: Path) -> None:
    done = prefens("predict", f"data.path={trained}/test.csv", f"tracking.root={trained}/runs", cwd=tmp_path)
    frame = pd.read_csv(tmp_path / "submission.csv")
    assert [*frame.columns] == COLUMNS
    assert frame.id.tolist() == pd.read_csv(trained / "test.csv").id.tolist()
    np.testing.assert_allclose(frame[COLUMNS[1:]].sum(axis=1), 1.0, atol=1e-8)
    assert "30 (30 predicted, 0 got the class prior)" in done.stdout


def test_a_prediction_whose_budget_is_spent_goes_on_to_the_same_bits(trained: Path, tmp_path: Path) -> None:
    arguments = [f"data.path={trained}/test.csv", f"tracking.root={trained}/runs"]
    prefens("predict", *arguments, "out=whole", cwd=tmp_path)
    spent = prefens("predict", *arguments, "out=parts", "budget_minutes=1e-9", cwd=tmp_path, fails=True)
    assert spent.returncode == 75
    assert "the time budget is spent; the same command goes on" in spent.stderr
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["predict.unfinished"]
    names = [member["member"] for member in json.loads((trained / "blend.json").read_text())["members"]]
    files = ", ".join(f"{name}: whole/submission.csv" for name in names)
    prefens("predict", f"blend={trained}/blend.json", f"members={{{files}}}", "out=parts", cwd=tmp_path)
    assert (tmp_path / "parts" / "predict.unfinished").is_dir()  # a blend of files leaves it alone
    done = prefens("predict", *arguments, "out=parts", cwd=tmp_path)
    assert "going on from what parts/predict.unfinished has" in done.stderr
    assert not (tmp_path / "parts" / "predict.unfinished").exists()
    for name in ("submission.csv", "predict.json"):
        whole, parts = ((tmp_path / out / name).read_text() for out in ("whole", "parts"))
        assert parts == whole.replace("whole/", "parts/")


def test_predictions_do_not_depend_on_the_other_rows(trained: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(trained / "test.csv")
    frame.iloc[::-2].to_csv(tmp_path / "part.csv", index=False)
    for name, path in (("whole", trained / "test.csv"), ("part", tmp_path / "part.csv")):
        prefens("predict", f"data.path={path}", f"tracking.root={trained}/runs", f"out={name}", cwd=tmp_path)
    whole, part = (pd.read_csv(tmp_path / name / "submission.csv").set_index("id") for name in ("whole", "part"))
    np.testing.assert_allclose(part.to_numpy(), whole.loc[part.index].to_numpy(), atol=1e-8)


def test_malformed_test_rows_get_the_prior_and_are_listed(trained: Path, tmp_path: Path) -> None:
    lines = (trained / "test.csv").read_text().splitlines()
    lines[3] = '2000001,not JSON,"[""a""]","[""b""]"'
    lines[5] = "2000002"
    lines.append(lines[1])
    (tmp_path / "test.csv").write_text("\n".join(lines))
    arguments = ["data.path=test.csv", f"tracking.root={trained}/runs"]
    done = prefens("predict", *arguments, cwd=tmp_path)
    frame = pd.read_csv(tmp_path / "submission.csv")
    assert len(frame) == 31
    label = make_pairs(120).labels
    for row in (2, 4, 30):
        np.testing.assert_allclose(frame.iloc[row, 1:], np.bincount(label) / 120, atol=0.02)
    listed = json.loads((tmp_path / "predict.json").read_text())["malformed"]
    assert [(item["row"], item["id"]) for item in listed] == [
        (3, "2000001"),
        (5, "2000002"),
        (31, lines[1].split(",")[0]),
    ]
    assert "3 got the class prior" in done.stdout
    refused = prefens("predict", *arguments, "data.strict=true", "out=strict", cwd=tmp_path, fails=True)
    assert "3 of 31 rows" in refused.stderr
    assert not (tmp_path / "strict").exists()


def test_predict_works_from_a_moved_read_only_root(trained: Path, tmp_path: Path) -> None:
    root = tmp_path / "moved"
    shutil.copytree(trained / "runs", root)
    for path in [root, *root.rglob("*")]:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    before = sorted(root.rglob("*"))
    for name, place in (("here", trained / "runs"), ("there", root)):
        prefens("predict", f"data.path={trained}/test.csv", f"tracking.root={place}", f"out={name}", cwd=tmp_path)
    assert sorted(root.rglob("*")) == before
    here, there = (tmp_path / name / "submission.csv" for name in ("here", "there"))
    assert there.read_bytes() == here.read_bytes()
    assert len(set(pd.read_csv(here).winner_model_a)) > 20  # no constant, which any root would predict
    for path in [root, *root.rglob("*")]:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


@pytest.mark.parametrize(
    "streams", ["closed", pytest.param("full", marks=pytest.mark.slow), pytest.param("ascii", marks=pytest.mark.slow)]
)
def test_no_stream_costs_a_file_or_changes_the_exit_status(trained: Path, tmp_path: Path, streams: str) -> None:
    store, data = f"tracking.root={trained}/runs", f"data.path={trained}/train.csv"
    lines = {
        "blend": ["tracking=none"],
        "predict": [f"data.path={trained}/test.csv"],
        "train": [data, "folds.holdout=0.1", "backbone=tfidf", *QUIET],
        "status": ["watch=0.01"] if streams == "closed" else ["json=true"],
    }
    for command, arguments in lines.items():
        out = tmp_path / command
        done = prefens(command, *arguments, store, f"out={out}", cwd=tmp_path, streams=streams)
        assert "Traceback" not in done.stderr
        assert r"\xb1" in done.stdout or command != "blend" or streams != "ascii"
    prefens("tune", "--help", cwd=tmp_path, streams=streams)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*") if "figures" not in path.parts}
    assert files >= {f"blend/{name}.json" for name in ("blend", "leaderboard", "weights")}
    assert files >= {"predict/submission.csv", "predict/predict.json", "train/train.json", "status/status.json"}
    prefens("predict", "data.path=none.csv", store, cwd=tmp_path, streams=streams, fails=True)
    prefens("train", data, "fold=9", store, cwd=tmp_path, streams=streams, fails=True)


def trained_runs(folder: Path) -> list[bool]:
    """Return of each fold run that the last training lists whether it was trained then."""
    return [run["trained"] for run in json.loads((folder / "runs/train.json").read_text())["runs"]]


def test_finished_folds_are_not_trained_again(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "runs", tmp_path / "runs")
    arguments = [f"data.path={trained}/train.csv", "folds.holdout=0.1", "backbone=tfidf", *QUIET]
    prefens("train", *arguments, cwd=tmp_path)
    assert trained_runs(tmp_path) == [False] * 5
    before = {path: path.read_bytes() for path in tmp_path.glob("runs/store/*/members/*/fold-1/predictions.parquet")}
    prefens("train", *arguments, "fold=1", "force=true", cwd=tmp_path)
    assert trained_runs(tmp_path) == [True]
    assert len(before) == 2
    assert before == {path: path.read_bytes() for path in before}  # the same key gives the same bits


def test_single_folds_give_the_same_member(trained: Path, tmp_path: Path) -> None:
    arguments = [f"data.path={trained}/train.csv", "folds.holdout=0.1", "backbone=tfidf", *QUIET]
    prefens("train", *arguments, "fold=3", cwd=tmp_path)
    refused = prefens("blend", "tracking=none", cwd=tmp_path, fails=True)
    assert "lacks folds [0, 1, 2, 4]" in refused.stderr
    assert "no complete member" in refused.stderr
    prefens("train", "-m", *arguments, "fold=0,1,2,4", cwd=tmp_path)
    for path in tmp_path.glob("runs/store/*/members/*/fold-*/predictions.parquet"):
        assert path.read_bytes() == (trained / path.relative_to(tmp_path)).read_bytes()
    assert len(list(tmp_path.glob("runs/store/*/members/*/fold-*/predictions.parquet"))) == 5


def test_one_failed_job_does_not_end_the_sweep(trained: Path, tmp_path: Path) -> None:
    done = prefens(
        "train", "-m", f"data.path={trained}/train.csv", "backbone=tfidf", "fold=99,0", *QUIET, cwd=tmp_path, fails=True
    )
    assert "failed:" in done.stderr
    assert "fold=99" in done.stderr
    assert "0 to 4" in done.stderr
    assert len(list(tmp_path.glob("runs/store/*/members/*/fold-0"))) == 1


@pytest.mark.slow
def test_joblib_trains_folds_in_several_processes(trained: Path, tmp_path: Path) -> None:
    arguments = [f"data.path={trained}/train.csv", "backbone=tfidf", *QUIET[1:], "fold=0,1,2,3,4,99"]
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    done = prefens("train", "-m", *arguments, *launcher, cwd=tmp_path, fails=True)
    assert done.stderr.count("failed:") == 1
    assert "fold=99" in done.stderr
    prefens("blend", cwd=tmp_path)
    from prefens.store.tracking.mlflow_tracker import MlflowTracker

    tracker = MlflowTracker(tmp_path / "runs", "prefens")
    roles = sorted(run.data.tags["prefens.role"] for run in tracker.client.search_runs([tracker.experiment_id]))
    assert roles == ["blend"] + ["fold"] * 5 + ["member"]


@pytest.mark.slow
def test_blend_checks_the_data_it_is_given(trained: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "other.csv", make_pairs(120, seed=1))
    arguments = ["tracking=none", f"tracking.root={trained}/runs"]
    refused = prefens("blend", *arguments, "data.path=other.csv", cwd=tmp_path, fails=True)
    assert len(set(re.findall(r"data [0-9a-f]{12}", refused.stderr))) == 2
    (model,) = trained.glob("runs/store/*/model/MLmodel")
    before = model.stat()
    prefens("blend", *arguments, f"data.path={trained}/train.csv", "model=false", cwd=tmp_path)
    assert model.stat() == before
    prefens("train", f"data.path={trained}/train.csv", "folds.seed=1", "backbone=tfidf", *QUIET, cwd=tmp_path)
    shutil.copytree(trained / "runs" / "store", tmp_path / "runs" / "store", dirs_exist_ok=True)
    mixed = prefens("blend", "tracking=none", cwd=tmp_path, fails=True)
    assert len(re.findall(r"fold_digest=[0-9a-f]{12}", mixed.stderr)) == 2


@pytest.mark.slow
def test_extra_rows_are_trained_on_and_never_scored(trained: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "extra.csv", make_pairs(40, seed=8))
    arguments = [f"data.path={trained}/train.csv", "backbone=tfidf", "fold=0", *QUIET]
    prefens("train", *arguments, cwd=tmp_path)
    done = prefens("train", *arguments, "data.extra=[extra.csv]", cwd=tmp_path)
    assert "extra rows, since their prompts are held out" in done.stderr  # they ask some of the same questions
    facts = [json.loads(path.read_text()) for path in tmp_path.glob("runs/store/*/members/*/fold-0/run.json")]
    assert len(facts) == 2
    assert len({each["valid_rows"] for each in facts}) == 1
    assert 0 < abs(facts[0]["train_rows"] - facts[1]["train_rows"]) < 40
    assert len({each["key"]["data_digest"] for each in facts}) == 1
    assert len({each["key"]["recipe_digest"] for each in facts}) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["backbone=tfidf"], "data.path"),
        (["data.path=none.csv"], "no such file"),
        (["data.pth=x"], "pth"),
        (["data.path={train}", "backbone.bits=ten"], "bits"),
        (["data.path={train}", "folds.k=1"], "folds.k"),
        (["data.path={train}", "folds.scheme=random"], "scheme"),
        (["data.path={train}", "backbone=textcn"], "textcn"),
        (["seed=abc"], "seed"),
        (["data.path={train}", "backbone=textcnn", "pairing.kind=cross"], "cross"),
    ],
)
def test_wrong_settings_are_told(trained: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    given = [argument.format(train=trained / "train.csv") for argument in arguments]
    done = prefens("train", "tracking=none", *given, cwd=tmp_path, fails=True)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_others_can_use_what_one_user_wrote() -> None:
    """All files have the mode of the umask; one that may not be read is not called missing."""
    with tempfile.TemporaryDirectory(prefix="prefens-") as name:  # pytest's own folders are closed to others
        folder = Path(name)
        folder.chmod(0o755)
        write_csv(folder / "train.csv", make_pairs(90))
        write_csv(folder / "test.csv", make_pairs(9, seed=5), labelled=False)
        small = ["data.path=train.csv", "folds.k=2", "text.max_length=32", "training.epochs=1"]
        for line in (
            ["train", "-m", *small, "backbone=style,textcnn"],
            ["blend", "blender=soft_vote"],
            ["report"],
            ["predict", "data.path=test.csv"],
        ):
            command = [sys.executable, "-m", f"prefens.{line[0]}", *line[1:]]
            subprocess.run(command, cwd=folder, umask=0o002, check=True, capture_output=True)
        for path in (folder / "runs").rglob("*"):
            assert stat.S_IMODE(path.stat().st_mode) == (0o775 if path.is_dir() else 0o664), path
        (folder / "home").mkdir()
        (folder / "home").chmod(0o777)
        predict = ["-m", "prefens.predict", "data.path=test.csv", "out=home/out"]
        done = as_nobody(*predict, cwd=folder, home=folder / "home")
        assert done.returncode == 0, done.stderr
        assert (folder / "home/out/submission.csv").read_bytes() == (folder / "submission.csv").read_bytes()
        for pattern in ("model/data/members/textcnn*/fold-1/model/model.safetensors", "folds.parquet", "blend"):
            (closed,) = folder.glob(f"runs/store/*/{pattern}")
            mode = closed.stat().st_mode
            closed.chmod(0o700 if closed.is_dir() else 0o600)
            done = as_nobody(*predict, cwd=folder, home=folder / "home")
            closed.chmod(mode)
            assert done.returncode == 1
            assert f"{closed.relative_to(folder)}" in done.stderr
            assert "permission denied" in done.stderr
            assert "No such file" not in done.stderr
            assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_mlflow_holds_the_members(trained: Path, tmp_path: Path) -> None:
    from prefens.store.tracking.mlflow_tracker import MlflowTracker

    arguments = [f"data.path={trained}/train.csv", "backbone=tfidf", *QUIET[1:]]
    prefens("train", *arguments, "tracking=none", cwd=tmp_path)  # what was trained without it is told afterwards
    prefens("train", *arguments, cwd=tmp_path)
    assert trained_runs(tmp_path) == [False] * 5
    prefens("train", *arguments, cwd=tmp_path)
    prefens("blend", "blender=soft_vote", cwd=tmp_path)
    tracker = MlflowTracker(tmp_path / "runs", "prefens")
    runs = tracker.client.search_runs([tracker.experiment_id])
    roles = [run.data.tags["prefens.role"] for run in runs]
    assert sorted(roles) == ["blend"] + ["fold"] * 5 + ["member"]
    given = [f"data.path={trained}/test.csv", f"tracking.root={tmp_path}/runs"]
    prefens("predict", *given, f"out={tmp_path}/stored", cwd=trained)
    prefens("predict", *given, "model=models:/prefens@best", f"out={tmp_path}/registered", cwd=trained)
    stored, registered = (tmp_path / name / "submission.csv" for name in ("stored", "registered"))
    assert stored.read_bytes() == registered.read_bytes()
    refused = prefens("predict", *given, "model=models:/x@best", "method=soft_vote", cwd=trained, fails=True)
    assert "one of the two" in refused.stderr
    member = runs[roles.index("member")]
    found = json.loads((tmp_path / "blend.json").read_text())
    assert member.data.metrics["oof_log_loss"] == pytest.approx(found["members"][0]["log_loss"])
    assert {"oof_accuracy", "oof_calibration_error", "oof_log_loss_se"} <= set(member.data.metrics)
    assert [item.path for item in tracker.client.list_artifacts(member.info.run_id, "figures")] == [
        "figures/calibration.png"
    ]
    fold = runs[roles.index("fold")]
    assert {item.path for item in tracker.client.list_artifacts(fold.info.run_id)} == {
        "predictions.parquet",
        "run.json",
    }


COMMANDS = [
    *("train", "tune", "status", "blend", "predict", "report", "import_oof", "ui", "kaggle", "serve", "server"),
    *("sync", "rate", "score", "compare", "export"),
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("question", ["--help", "--cfg=job"])
def test_help_and_config(command: str, question: str, tmp_path: Path) -> None:
    done = prefens(command, question, cwd=tmp_path)
    assert "tracking" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_probabilities_score_as_the_table_says(trained: Path) -> None:
    found = json.loads((trained / "blend.json").read_text())
    frames = []
    for path in trained.glob("runs/store/*/members/*/fold-*/predictions.parquet"):
        frame = pd.read_parquet(path)
        frames.append(frame[~frame.holdout].assign(member=path.parent.parent.name))
    label = dict(zip(make_pairs(120).ids, make_pairs(120).labels, strict=True))
    for member in found["members"]:
        own = pd.concat(frames).query("member == @member['member']")
        values = own[["a_wins", "b_wins", "tie"]].to_numpy()
        assert log_loss(values, np.array([label[id_] for id_ in own.id])) == pytest.approx(
            member["log_loss"], abs=1e-12
        )


@pytest.mark.slow
def test_unreachable_hub_is_told_in_time(trained: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    line = [
        sys.executable,
        "-m",
        "prefens.train",
        f"data.path={trained}/train.csv",
        "backbone=bert-base-uncased",
        "tracking=none",
    ]
    told = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 140}
    done = subprocess.run(line, **told, check=False)
    assert done.returncode == 1
    assert "backbone.path=DIR" in done.stderr
    assert "Traceback" not in done.stderr
    asked = subprocess.run([sys.executable, "-c", ASK_THE_HUB], **told, check=True)
    assert float(asked.stdout) < 30


ASK_THE_HUB = """
import time
import prefens.members.nn.pretrained  # imports take as long as a busy machine likes
from prefens.core.errors import BackboneError
from prefens.members.backbone_files import find_hub_model
started = time.monotonic()
try:
    find_hub_model("bert-base-uncased", None)
except BackboneError:
    print(time.monotonic() - started)
"""
