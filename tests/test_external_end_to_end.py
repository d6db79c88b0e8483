"""The commands on members made elsewhere, as a user calls them: with nothing but files, and with a store."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prefens.core.metrics import log_loss
from prefens.store.oof_store import OOFStore
from tests.helpers.commands import COLUMNS, prefens
from tests.helpers.examples import folds_of, make_pairs, write_labels, write_probabilities

PAIRS = make_pairs(120)
OUTCOMES = ["a_wins", "b_wins", "tie"]


def noisy(seed: int) -> np.ndarray:  # type: ignore[type-arg]
    """Probabilities with some skill."""
    values = np.random.default_rng(seed).dirichlet(np.ones(3), size=len(PAIRS)) + 0.3 * np.eye(3)[PAIRS.labels]
    return values / values.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """m1.csv (16-bit), m2.parquet and labels.csv."""
    made = tmp_path_factory.mktemp("foreign")
    write_labels(made / "labels.csv", PAIRS, grouped=True)
    write_probabilities(made / "m1.csv", PAIRS.ids, noisy(1).astype(np.float16).astype(float), COLUMNS[1:])
    write_probabilities(made / "m2.parquet", PAIRS.ids[::-1], noisy(2)[::-1])
    return made


@pytest.mark.slow
def test_files_and_labels_are_enough(folder: Path, tmp_path: Path) -> None:
    members = f"members=[{folder}/m1.csv,{folder}/m2.parquet]"
    done = prefens("blend", members, f"labels={folder}/labels.csv", "out=done", cwd=tmp_path)
    assert "rows renormalized" in done.stderr
    assert "stratified_group folds, k=5" in done.stdout
    found = json.loads((tmp_path / "done" / "blend.json").read_text())
    assert [member["member"] for member in found["members"]] == ["m1", "m2"]
    assert [(member["backbone"], member["seed"]) for member in found["members"]] == [(None, None)] * 2
    assert found["members"][1]["log_loss"] == pytest.approx(log_loss(noisy(2), PAIRS.labels))
    assert found["n_pairs"] == 120
    assert (tmp_path / "done" / "leaderboard.json").is_file()
    assert not (tmp_path / "runs" / "store").exists()
    assert (tmp_path / "runs" / "mlflow.db").is_file()

    test = {name: np.random.default_rng(seed).dirichlet(np.ones(3), size=7) for seed, name in enumerate(("m1", "m2"))}
    write_probabilities(tmp_path / "a.csv", range(7), test["m1"])
    write_probabilities(tmp_path / "b.csv", range(6, -1, -1), test["m2"][::-1])
    arguments = ["blend=done/blend.json", "method=soft_vote"]
    prefens("predict", *arguments, "members={m1: a.csv, m2: b.csv}", cwd=tmp_path)
    frame = pd.read_csv(tmp_path / "submission.csv")
    assert frame.id.tolist() == list(range(7))
    np.testing.assert_allclose(frame[COLUMNS[1:]], (test["m1"] + test["m2"]) / 2, atol=1e-8)
    write_probabilities(tmp_path / "b.csv", range(1, 8), test["m2"])
    for given, message in (
        ("members={m1: a.csv, m2: b.csv}", "b.csv: 7 ids, 1 of the first file's 7 missing"),
        ("members={m1: a.csv, m3: b.csv}", "lacks m2, unknown to done/blend.json: m3"),
    ):
        assert message in prefens("predict", *arguments, given, cwd=tmp_path, fails=True).stderr
    assert "give both" in prefens("predict", "members={m1: a.csv}", cwd=tmp_path, fails=True).stderr


@pytest.mark.slow
def test_files_by_any_name(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members are named by a mapping, files may be called anything, ~ is the home folder, quotes are shown."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "bert (1)").mkdir()
    (tmp_path / "bert (1)" / "oof").write_bytes(gzip.compress((folder / "m1.csv").read_bytes()))
    given = ["tracking=none", 'tracking.experiment="it\'s"', f"labels={folder}/labels.csv", "resamples=10"]
    refused = prefens("blend", *given, "members=[bert (1)/oof]", "out=x", cwd=tmp_path, fails=True)
    assert """to do:    quote it for Hydra and for the shell: 'members=["bert (1)/oof"]'""" in refused.stderr
    mapped = f"members={{bert: '~/bert (1)/oof', other: {folder}/m2.parquet}}"
    prefens("blend", *given, mapped, "out=~/blended", cwd=tmp_path)
    blend = json.loads((tmp_path / "blended" / "blend.json").read_text())
    assert [member["member"] for member in blend["members"]] == ["bert", "other"]
    again = ["blend=blended/blend.json", "method=soft_vote", mapped]
    refused = prefens("predict", *again, "out=blended/blend.json", cwd=tmp_path, fails=True)
    assert "blend.json is a file" in refused.stderr
    assert "Traceback" not in refused.stderr
    prefens("predict", *again, "out='~/a b'", cwd=tmp_path)
    assert len(pd.read_csv(tmp_path / "a b" / "submission.csv")) == len(PAIRS)


@pytest.mark.slow
def test_an_imported_member_blends_as_its_file_and_cannot_predict(folder: Path, tmp_path: Path) -> None:
    OOFStore(tmp_path / "runs").put_folds(folds_of(PAIRS))
    members = [folder / "m1.csv", folder / "m2.parquet"]
    first = prefens("blend", f"members=[{members[0]},{members[1]}]", "tracking=none", "out=files", cwd=tmp_path)
    assert "labels and folds of the store" in first.stderr
    for path in members:
        done = prefens("import_oof", f"path={path}", "tracking=none", cwd=tmp_path)
        assert path.stem in done.stdout
    prefens("blend", "tracking=none", "out=stored", cwd=tmp_path)
    one, two = (json.loads((tmp_path / name / "blend.json").read_text()) for name in ("files", "stored"))
    assert one == two
    (tmp_path / "test.csv").write_text("id,prompt,response_a,response_b\n" + '1,"[""p""]","[""a""]","[""b""]"\n')
    message = "m1 is external"
    assert message in prefens("predict", "data.path=test.csv", "method=soft_vote", cwd=tmp_path, fails=True).stderr
    assert (
        "blend=blend.json 'members={m1: test.csv, ...}'"
        in prefens("predict", "data.path=test.csv", cwd=tmp_path, fails=True).stderr
    )
    assert message in prefens("kaggle", "method=soft_vote", "packages=[]", cwd=tmp_path, fails=True).stderr
    assert not (tmp_path / "kaggle").exists()


@pytest.mark.slow
def test_import_settings(folder: Path, tmp_path: Path) -> None:
    OOFStore(tmp_path / "runs").put_folds(folds_of(PAIRS))
    frame = pd.read_parquet(folder / "m2.parquet")
    frame.rename(columns=dict(zip(OUTCOMES, "xyz", strict=True)) | {"id": "row"}).to_csv(tmp_path / "oof.csv")
    arguments = ["import_oof", "path=oof.csv", "tracking=none"]
    assert "columns , x, y, z, row" in prefens(*arguments, cwd=tmp_path, fails=True).stderr
    mapping = "columns={id: row, a_wins: x, b_wins: y, tie: z}"
    prefens(*arguments, mapping, "name=mine", cwd=tmp_path)
    prefens(*arguments, mapping, "name=mine", cwd=tmp_path)
    swapped = "columns={id: row, a_wins: y, b_wins: x, tie: z}"
    refused = prefens(*arguments, swapped, "name=mine", cwd=tmp_path, fails=True)
    assert "force=true" in refused.stderr
    prefens(*arguments, swapped, "name=mine", "force=true", cwd=tmp_path)
    assert "path is not set" in prefens("import_oof", cwd=tmp_path, fails=True).stderr
