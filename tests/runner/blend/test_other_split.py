"""Two splits in one store, by source and by prompt, from training to the report."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import entr

from prefens.core.metrics import outcome_shares
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from tests.helpers.commands import QUIET, prefens
from tests.helpers.examples import column, make_pairs, write_csv

pytestmark = pytest.mark.slow


def source_file(folder: Path, name: str, count: int, seed: int) -> str:
    pairs = make_pairs(count, seed)
    prompts = [turns if row < 3 else (f"{name} {turns[0]}",) for row, turns in enumerate(pairs.prompt)]
    ids = column([f"{name}{row}" for row in range(count)])
    label = np.zeros_like(pairs.labels) if name == "c" else pairs.labels  # a handful of rows, of one outcome
    return str(write_csv(folder / f"{name}.csv", replace(pairs, ids=ids, prompt=column(prompts), label=label)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with three sources, and a store with two seeds by prompt, the first of which is by source too."""
    folder = tmp_path_factory.mktemp("sources")
    for name, count, seed in (("a", 60, 0), ("b", 50, 1), ("c", 5, 2)):
        source_file(folder, name, count, seed)
    data = "data.path=[a.csv,b.csv,c.csv]"
    prefens("train", *QUIET, data, "folds.k=3", "seed=0", cwd=folder)
    prefens("train", *QUIET, data, "folds=source", "seed=0", cwd=folder)
    for scheme in ("stratified_group", "source"):
        out = f"out={scheme}"
        prefens("blend", "tracking=none", f"folds.scheme={scheme}", "blender=all", "resamples=10", out, cwd=folder)
    return folder


def splits(folder: Path) -> dict[str, SplitStore]:
    return {split.folds.settings["scheme"]: split for split in OOFStore(folder / "runs").splits()}


def named_digest(folder: Path, scheme: str) -> str:
    return f"fold_digest={splits(folder)[scheme].folds.digest[:12]}"


def test_a_split_that_is_ambiguous_is_refused(trained: Path) -> None:
    done = prefens("blend", "tracking=none", cwd=trained, fails=True)
    assert "source, k=3" in done.stdout + done.stderr


def test_what_is_shown_of_the_other_split_is_what_it_has(trained: Path) -> None:
    for scheme, other, title in (
        ("source", "stratified_group", "same sources"),
        ("stratified_group", "source", "new source"),
    ):
        own, its = (json.loads((trained / each / "blend.json").read_text()) for each in (scheme, other))
        rows = json.loads((trained / scheme / "leaderboard.json").read_text())
        (row,) = [row for row in rows if row["kind"] == "member"]
        assert row["other_split"][title] == pytest.approx(its["members"][0]["log_loss"], abs=1e-12)
        assert own["other_split"]["fold_digest"] == its["fold_digest"]
        methods = [entry["method"] for entry in own["methods"]]
        assert any(name.endswith("+sources") for name in methods) == (scheme == "source")


def test_the_other_split_enters_no_fit(trained: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    own = splits(trained)["source"]
    (alone / "runs" / "store").mkdir(parents=True)
    (alone / "runs" / "store" / own.path.name).symlink_to(own.path)
    prefens("blend", "tracking=none", "blender=all", "resamples=10", "model=false", "out=.", cwd=alone)
    one, other = (json.loads((folder / "blend.json").read_text()) for folder in (alone, trained / "source"))
    assert other.pop("other_split")["losses"]
    assert one == other
    assert (alone / "predictions.parquet").read_bytes() == (trained / "source" / "predictions.parquet").read_bytes()


def test_predict_takes_the_split_by_source_and_says_so(trained: Path) -> None:
    write_csv(trained / "test.csv", make_pairs(8, seed=5), labelled=False)
    by_source, by_prompt = (named_digest(trained, scheme) for scheme in ("source", "stratified_group"))
    files = []
    for name, arguments in {"default": [], "named": [by_source], "other": [by_prompt]}.items():
        done = prefens("predict", "tracking=none", "data.path=test.csv", *arguments, f"out={name}", cwd=trained)
        assert ("that by source predicts" in done.stdout + done.stderr) == (name == "default")
        files.append(pd.read_csv(trained / name / "submission.csv"))
    pd.testing.assert_frame_equal(files[0], files[1])
    assert not files[0].equals(files[2])


def test_the_report_says_what_a_new_source_costs(trained: Path) -> None:
    data = "data.path=[a.csv,b.csv,c.csv]"
    prefens("report", "tracking=none", data, "out=report", "swaps=0", "resamples=20", cwd=trained)
    page = (trained / "report" / "report.html").read_text()
    for text in ("What a new source costs", "A new source costs", "each fold is a source", "Leak audit"):
        assert text in page
    for name in ("a", "b", "c"):
        assert f"<td>{name}</td>" in page or f">{name}<" in page
    assert "None" not in page[page.index('id="new-source"') : page.index('id="new-source"') + 4000]


def test_a_killed_sweep_by_source_resumes(trained: Path, tmp_path: Path) -> None:
    data = f"data.path=[{trained}/a.csv,{trained}/b.csv,{trained}/c.csv]"
    prefens("train", *QUIET, data, "folds=source", "fold=1", cwd=tmp_path)
    done = prefens("train", *QUIET, data, "folds=source", cwd=tmp_path)
    assert "was finished" in done.stdout + done.stderr
    own, again = splits(trained)["source"], splits(tmp_path)["source"]
    (spec,) = own.members()
    for fold in range(3):
        one, other = (split.predictions(spec, fold) for split in (own, again))
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_permuted_labels_of_a_source_are_not_to_be_predicted(tmp_path: Path, generator: np.random.Generator) -> None:
    for seed, name in enumerate("abc"):
        pairs = make_pairs(80, seed)
        label = generator.permutation(pairs.labels) if name == "b" else pairs.labels
        ids = column([f"{name}{row}" for row in range(80)])
        prompts = column([(f"{name} {turns[0]}",) for turns in pairs.prompt])
        write_csv(tmp_path / f"{name}.csv", replace(pairs, ids=ids, prompt=prompts, label=label))
    data = "data.path=[a.csv,b.csv,c.csv]"
    prefens("train", "tracking=none", data, "folds=source", "backbone=style", cwd=tmp_path)
    split = splits(tmp_path)["source"]
    (spec,) = split.members()
    gains = []
    for fold, record in split.records(spec).items():
        shares = outcome_shares(split.folds.label[split.folds.fold == fold], 3)
        gains.append(float(entr(shares).sum()) - record.log_loss)
    assert gains[0] > 0.05
    assert gains[1] < 0.02
    assert gains[2] > 0.05
