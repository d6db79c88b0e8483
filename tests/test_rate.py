"""The command that rates models: with a blend, with files of other judges, and with votes alone."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from prefens.core.errors import ConfigError, DataError, StoreError
from prefens.core.types import MemberInfo, OOFStack
from prefens.data.load import load_pairs
from prefens.data.synthetic.generator import generate
from prefens.ensemble.blend import make_blend
from prefens.ensemble.files.blend_files import write_blend
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.soft_vote import SoftVote
from prefens.rate import rate
from prefens.runner import config
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.examples import column, folds_of, write_csv, write_probabilities


def rated(*overrides: str) -> None:
    with initialize_config_dir(str(config.CONF_DIR), version_base="1.3"):
        rate(compose("rate", overrides=["resamples=4", *overrides]))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 200 pairs, a blend of the truth and its reverse, and the verdicts of another judge."""
    folder = tmp_path_factory.mktemp("rate")
    made = generate(200, 0)
    write_csv(folder / "train.csv", made)
    pairs = load_pairs(folder / "train.csv").sort().pairs
    assert made.truth is not None
    truth = made.truth[:, 1]
    members = (MemberInfo("truth", None, None), MemberInfo("reverse", None, None))
    stack = OOFStack(members, np.stack([truth, truth[:, [1, 0, 2]]]), folds_of(pairs, k=3))
    write_blend(make_blend(BlendInputs(stack.folds, stack, None, None), [SoftVote()], resamples=10), folder / "blend")
    write_probabilities(folder / "judge.csv", pairs.ids[::-1], truth[::-1])
    write_probabilities(folder / "short.csv", pairs.ids[:50], truth[:50])
    return folder


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def test_a_blend_and_a_file_are_rated_beside_the_votes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    which = "predictors=[truth,reverse,judge.csv]"
    rated("data.path=train.csv", "blend=blend/blend.json", which, "out=all")
    content = json.loads((folder / "all" / "ratings.json").read_text())
    assert content["pairs"] == 200
    found = {(own["source"], own["model"], own["style_control"]): own for own in content["ratings"]}
    assert len(found) == 4 * 2 * 2
    plain = ("bradley_terry", False)
    by_model = {
        source: {row["model"]: row["rating"] for row in found[(source, *plain)]["ratings"]}
        for source in ("votes", "truth", "reverse", "judge")
    }
    assert by_model["truth"] == pytest.approx(by_model["judge"])  # joined by id, not by position
    for model, rating in by_model["truth"].items():
        assert rating - 1000 == pytest.approx(1000 - by_model["reverse"][model], abs=1e-3)
    agreement = {(own["source"], own["kind"], own["styled"]): own for own in content["agreement"]}
    assert agreement[("truth", *plain)]["spearman"][0] > 0.5 > 0 > agreement[("reverse", *plain)]["spearman"][0]
    with (folder / "all" / "ratings.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 16 * content["models"]
    assert all(float(row["low"]) < float(row["rating"]) < float(row["high"]) for row in rows)
    assert (folder / "all" / "figures" / "ratings.png").is_file()
    said = capsys.readouterr().out
    assert "osprey-pro" in said
    assert "Ratings by truth have a rank correlation of" in said
    runs = MlflowTracker(folder / "runs", "prefens").client.search_runs(["1"])
    assert [set(run.data.metrics) for run in runs] == [{"ratings_spearman", "ratings_kendall"}]


def test_without_a_blend_the_votes_alone_are_rated(folder: Path) -> None:
    rated("data.path=train.csv", "tracking=none", "out=votes", "style=false", "resamples=0")
    content = json.loads((folder / "votes" / "ratings.json").read_text())
    assert [(own["source"], own["model"]) for own in content["ratings"]] == [
        ("votes", "bradley_terry"), ("votes", "davidson"),
    ]  # fmt: skip
    assert content["agreement"] == []
    assert content["ratings"][0]["ratings"][0]["bootstrap"] is None


def test_what_does_not_fit_is_refused(folder: Path) -> None:
    none = "tracking=none"
    with pytest.raises(ConfigError, match=r"data\.path"):
        rated(none)
    with pytest.raises(ConfigError, match="resamples"):
        rated(none, "data.path=train.csv", "resamples=-1")
    with pytest.raises(ConfigError, match="names among truth, reverse, soft_vote"):
        rated(none, "data.path=train.csv", "blend=blend/blend.json", "predictors=[gpt]")
    with pytest.raises(ConfigError, match="without a blend"):
        rated(none, "data.path=train.csv", "predictors=[truth]")
    with pytest.raises(DataError, match="150 pairs"):
        rated(none, "data.path=train.csv", "predictors=[short.csv]")
    pairs = load_pairs(folder / "train.csv").pairs
    write_csv(folder / "other.csv", replace(pairs.take(np.arange(100)), base=None))
    with pytest.raises(StoreError, match="as stored"):
        rated(none, "data.path=other.csv", "blend=blend/blend.json")
    same = column(["one"] * 20)
    write_csv(folder / "one.csv", replace(pairs.take(np.arange(20)), model_a=same, model_b=same))
    with pytest.raises(DataError, match="none beat each other"):
        rated(none, "data.path=one.csv")
