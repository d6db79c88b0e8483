"""The report, as a user calls it: with a store, with texts, and on data alone."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException

from prefens.core.errors import ConfigError, StoreError
from prefens.ensemble.base import Blender
from prefens.inference.predictor import Predictor
from prefens.report import report
from prefens.runner import config
from prefens.store.oof_store import OOFStore
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.commands import prefens
from tests.helpers.examples import column, make_pairs, write_csv
from tests.helpers.pages import HOSTILE, Elements

QUICK = ["resamples=20", "swaps=5", "texts=3"]


def made(*overrides: str) -> None:
    with initialize_config_dir(str(config.CONF_DIR), version_base="1.3"):
        report(compose("report", overrides=[*QUICK, *overrides]))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with hostile texts in train.csv, two members, a blend and its report, all tracked."""
    folder = tmp_path_factory.mktemp("report")
    pairs = make_pairs(90)
    texts = column([(f"{turns[0]} {HOSTILE}",) for turns in pairs.response_a])
    write_csv(folder / "train.csv", type(pairs)(**{**vars(pairs), "response_a": texts}))
    common = ["data.path=train.csv", "backbone.strengths=[0.1]"]
    prefens("train", "-m", *common, "backbone=style,tfidf", cwd=folder)
    prefens("blend", "resamples=20", "model=false", cwd=folder)
    prefens("report", "data.path=train.csv", *QUICK, cwd=folder)
    return folder


def sections(folder: Path) -> list[str | None]:
    page = Elements((folder / "report.html").read_text("utf-8"))
    return [attributes["id"] for attributes in page.of("section")]


def test_the_report_has_its_sections_and_no_script_of_the_data(trained: Path) -> None:
    page = (trained / "report.html").read_text("utf-8")
    elements = Elements(page)
    assert sections(trained) == [
        "leaderboard",
        "calibration",
        "bias",
        "ratings",
        "errors",
        "data",
        "style",
        "leak",
        "rows",
    ]
    assert len(elements.of("script")) == 1
    assert elements.text.count('document.title = "owned"') >= 6
    assert "changed no probability" in page or "moved probabilities by" in page
    assert page.count("data:image/png;base64,") == len([*(trained / "figures").glob("*.png")]) - 1  # one by blend


def test_the_model_card_says_how_good_on_what_and_how_to_load(trained: Path) -> None:
    card = (trained / "model_card.md").read_text("utf-8")
    blend = json.loads((trained / "blend.json").read_text())
    assert blend["data_digest"][:12] in card
    assert f"{blend['best_honest']:.4f}" in card
    assert all(member["member"] in card for member in blend["members"])
    assert [line for line in card.splitlines() if line.startswith("## ")] == [
        "## Score", "## Data", "## Members", "## Biases", "## Limits", "## How to load",
    ]  # fmt: skip
    assert "mlflow.pyfunc.load_model" in card
    assert 'href="model_card.md"' in (trained / "report.html").read_text("utf-8")


def test_the_report_is_logged_beside_its_blend(trained: Path) -> None:
    tracker = MlflowTracker(trained / "runs", "prefens")
    runs = tracker.client.search_runs([tracker.experiment_id])
    (blend,) = [run for run in runs if run.data.tags["prefens.role"] == "blend"]
    assert not [run for run in runs if run.data.tags["prefens.role"] == "report"]
    listed = {item.path for item in tracker.client.list_artifacts(blend.info.run_id)}
    assert {"report.html", "model_card.md", "figures", "tables"} <= listed
    figures = {item.path for item in tracker.client.list_artifacts(blend.info.run_id, "figures")}
    assert {"figures/folds.png", "figures/weights.png", "figures/reliability.png"} <= figures


def test_runs_name_their_data_and_say_their_score(trained: Path) -> None:
    tracker = MlflowTracker(trained / "runs", "prefens")
    runs = tracker.client.search_runs([tracker.experiment_id])
    digest = json.loads((trained / "blend.json").read_text())["data_digest"]
    for run in runs:
        if run.data.tags["prefens.role"] in ("member", "blend"):
            (given,) = run.inputs.dataset_inputs
            assert given.dataset.digest == digest[:12]
            assert json.loads(given.dataset.profile)["num_rows"] == 90
            assert re.search(r"\*\*\d\.\d{4} ± 0\.\d{4}\*\*", run.data.tags["mlflow.note.content"])


def test_without_texts_and_without_the_blends_run_the_report_has_a_run_of_its_own(
    trained: Path, tmp_path: Path
) -> None:
    made(f"tracking.root={trained}/runs", f"out={tmp_path}", "tracking.experiment=other")
    tracker = MlflowTracker(trained / "runs", "other")
    (run,) = tracker.client.search_runs([tracker.experiment_id])
    assert run.data.tags["prefens.role"] == "report"
    assert "errors" not in sections(tmp_path)


def test_the_files_of_a_blend_are_enough(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a store, and with no blender that could be fitted, the report says the numbers that the blend stored."""

    def refuse(*_: object) -> None:
        raise AssertionError("a blender is fitted")

    monkeypatch.setattr(Blender, "fit", refuse)
    monkeypatch.chdir(tmp_path)
    for name in ("blend.json", "predictions.parquet"):
        shutil.copy(trained / name, tmp_path)
    made("blend=blend.json", "tracking=none")
    assert not (tmp_path / "runs").exists()
    page = (tmp_path / "report.html").read_text("utf-8")
    stored = json.loads((trained / "blend.json").read_text())
    scores = [stored["best_honest"], *(method["honest"] for method in stored["methods"])]
    assert all(f"{score:.4f}" in page for score in scores)
    assert all(f">{row['weight']:.3f} <span>" in page for row in stored["diagnostics"]["members"])
    assert f"Honest log loss **{stored['best_honest']:.4f}" in (tmp_path / "model_card.md").read_text("utf-8")


def test_the_report_is_on_the_blend_that_predicts(trained: Path, tmp_path: Path) -> None:
    root = shutil.copytree(trained / "runs", tmp_path / "runs")
    prefens("blend", "resamples=20", "model=false", "tracking=none", "blender=soft_vote", cwd=tmp_path)
    prefens("report", "tracking=none", *QUICK, cwd=tmp_path)
    assert Predictor.of_store(OOFStore(root).select(), "best").method == "soft_vote"
    assert "# Model card: soft_vote of 2 members" in (tmp_path / "model_card.md").read_text("utf-8")


def test_other_pairs_than_those_of_the_blend_are_refused(trained: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "other.csv", make_pairs(90, seed=7))
    with pytest.raises(StoreError, match="the pairs given"):
        made(f"blend={trained}/blend.json", f"data.path={tmp_path}/other.csv", "tracking=none", f"out={tmp_path}")


def test_the_report_has_no_settings_of_blenders() -> None:
    for setting in ("blender=stack", "calibrations=[temperature]", "members=[a]", "labels=labels.csv"):
        with pytest.raises(HydraException):
            made(setting)


def test_data_alone_needs_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "train.csv", make_pairs(30))
    made("data.path=train.csv", "only=data", "tracking=none")
    assert sections(tmp_path) == ["data", "style", "leak", "rows"]
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "model_card.md").exists()
    for wrong in ("only=everything", "only=data"):
        with pytest.raises(ConfigError, match="only="):
            made(wrong, "tracking=none")


def test_models_of_the_store_are_asked_both_ways_round(trained: Path) -> None:
    from prefens.data.load import load_pairs
    from prefens.inference.checks import swap_gaps

    split = OOFStore(trained / "runs").select()
    pairs = load_pairs(trained / "train.csv").pairs
    gaps = swap_gaps(split, list(split.members()), pairs, 7, [])
    assert len(gaps) == 2
    assert max(gaps.values()) <= 1e-6
    assert swap_gaps(split, list(split.members()), pairs, 0, []) == {}
    assert np.isfinite([*gaps.values()]).all()
