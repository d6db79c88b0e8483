"""Two outcomes from end to end: files of the WSDM Cup's form, members of every head, all blends, winners written."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prefens.core.types import Pairs
from prefens.data.frame import load_frame
from prefens.inference import bundle
from prefens.inference.predictor import Predictor
from prefens.inference.saved_model import _load_pyfunc
from prefens.inference.scorer import member_predictor
from prefens.inference.serving import ServedModel
from prefens.store.oof_store import OOFStore
from tests.helpers.commands import prefens
from tests.helpers.examples import column, make_pairs, write_probabilities
from tests.helpers.formats import wsdm

pytestmark = pytest.mark.slow
TINY = [
    *(
        "backbone=textcnn",
        "backbone.vocabulary=100",
        "backbone.dimension=8",
        "backbone.filters=4",
        "text.max_length=64",
    ),
    *("head.hidden=8", "training.epochs=1", "training.batch_pairs=16"),
]
ROOT = ["data.path=wsdm.parquet", "folds.k=3", "tracking.root=runs"]


def hashed(pairs: Pairs) -> Pairs:
    """Return pairs with ids as the WSDM Cup's, of 64 hex digits."""
    return replace(pairs, ids=column([f"{int(id_):064x}" for id_ in pairs.ids]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of cheap members and a network of each head, their blend, its report and a submission."""
    made = tmp_path_factory.mktemp("wsdm")
    train = wsdm(hashed(make_pairs(90, classes=2)))
    models = {"model_a": "model-x", "model_b": "model-y", "language": "English"}
    train.assign(**models).to_parquet(made / "wsdm.parquet")
    wsdm(hashed(make_pairs(12, seed=3))).drop(columns="winner").assign(scored=True).to_parquet(made / "test.parquet")
    said = prefens("train", *ROOT, "backbone=style", "backbone.strengths=[0.1]", cwd=made).stdout
    assert "ln 2 = 0.6931" in " ".join(said.split())
    prefens("train", "-m", *ROOT, "backbone=tfidf", "backbone.bits=10", "backbone.strengths=[0.1]", cwd=made)
    prefens("train", "-m", *ROOT, *TINY, "head=equivariant,linear,mlp,cnn,davidson", cwd=made)
    styled = ["blender=all", "blender.stack.style=true", "data.path=wsdm.parquet", "resamples=50"]
    prefens("blend", *styled, "calibrations=[temperature,vector]", "metric=accuracy", cwd=made)
    prefens("predict", "data.path=test.parquet", cwd=made)
    prefens("report", "data.path=wsdm.parquet", "out=report", "resamples=20", cwd=made)
    return made


def test_every_method_has_two_outcomes(folder: Path) -> None:
    found = json.loads((folder / "blend.json").read_text())
    assert len(found["members"]) == 7
    names = [each["method"] for each in found["methods"]]
    assert {"soft_vote", "log_loss", "log_pool", "greedy", "class_weights", "stack", "log_loss+vector"} < {*names}
    assert all(each["state"].get("base", each["state"])["outcomes"] == 2 for each in found["methods"])
    rows = [row for row in json.loads((folder / "leaderboard.json").read_text()) if row["kind"] != "reference"]
    assert [row["accuracy"] for row in rows] == sorted((row["accuracy"] for row in rows), reverse=True)
    assert found["metric"] == "accuracy"
    (stored,) = (folder / "runs/store").iterdir()
    assert not [name for name in pd.read_parquet(stored / "blend/predictions.parquet") if name.endswith(" tie")]


def test_predict_writes_winners(folder: Path, tmp_path: Path) -> None:
    winners = pd.read_csv(folder / "submission.csv", dtype=str)
    assert [*winners.columns] == ["id", "winner"]
    assert winners.id.tolist() == pd.read_parquet(folder / "test.parquet").id.tolist()
    common = [f"data.path={folder}/test.parquet", f"tracking.root={folder}/runs", f"out={tmp_path}"]
    prefens("predict", *common, "out_format=one_hot", cwd=folder)
    probabilities = pd.read_csv(tmp_path / "submission.csv", dtype={"id": str})
    assert [*probabilities.columns] == ["id", "winner_model_a", "winner_model_b"]
    np.testing.assert_allclose(probabilities.iloc[:, 1:].sum(axis=1), 1.0, atol=1e-8)
    likely = np.where(probabilities.winner_model_a >= probabilities.winner_model_b, "model_a", "model_b")
    assert winners.winner.tolist() == likely.tolist()
    assert "out_format=trl" in prefens("predict", *common, "out_format=trl", cwd=folder, fails=True).stderr


def test_the_saved_model_and_the_server_answer_with_two_columns(folder: Path) -> None:
    (model,) = (folder / "runs/store").glob("*/model")
    frame = pd.read_parquet(folder / "test.parquet").drop(columns="scored")
    for name in ("prompt", "response_a", "response_b"):
        frame[name] = [json.dumps([text]) for text in frame[name]]
    predicted = _load_pyfunc(str(model / "data")).predict(frame)
    assert [*predicted.columns] == ["id", "winner_model_a", "winner_model_b"]
    assert "winner_tie" not in (model / "MLmodel").read_text()
    predictor = Predictor.load(model / "data")
    assert predictor.out_format == "winner"
    predictor.load_all()
    columns = {name: frame[name].tolist() for name in frame}
    served = ServedModel(predictor).predict(columns, {"until": float("inf")})
    np.testing.assert_allclose(served.iloc[:, 1:], predicted.iloc[:, 1:], atol=1e-6)
    plain = pd.read_parquet(folder / "test.parquet").drop(columns="scored")  # as the competition has them
    pd.testing.assert_frame_equal(_load_pyfunc(str(model / "data")).predict(plain, {"strict": True}), predicted)
    own = ServedModel(predictor).predict({name: plain[name].tolist() for name in plain}, {"until": float("inf")})
    np.testing.assert_array_equal(own.iloc[:, 1:], served.iloc[:, 1:])
    swapped = frame.assign(response_a=frame.response_b, response_b=frame.response_a)
    again = predictor.predict_rows(load_frame(swapped))
    np.testing.assert_allclose(again[:, ::-1], predicted.iloc[:, 1:], atol=1e-6)
    alone = member_predictor(predictor, predictor.used[0])
    assert alone.predict_rows(load_frame(frame)).shape == (12, 2)


def test_a_bundle_predicts_winners(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "build_wheels", lambda packages, wheels: wheels.mkdir())
    bundle.make_bundle(OOFStore(folder / "runs").select(), "best", [], tmp_path / "bundle")
    common = [f"data.path={folder}/test.parquet", "tracking=none", f"tracking.root={tmp_path}/bundle/runs"]
    prefens("predict", *common, cwd=tmp_path)
    assert (tmp_path / "submission.csv").read_text() == (folder / "submission.csv").read_text()


def test_nothing_in_the_report_is_about_ties(folder: Path) -> None:
    page, card = ((folder / "report" / name).read_text("utf-8") for name in ("report.html", "model_card.md"))
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    assert "of two outcomes" in text
    assert "by which it was chosen" in text
    said = re.findall(r".{0,60}\b(?:ties?|tied)\b.{0,40}", text) + re.findall(r".*\b(?:tie|winner_tie)\b.*", card)
    assert [line for line in said if "ties of two bad responses" not in line] == []
    assert "P(A wins), P(B wins)." in card
    figures = {path.stem for path in (folder / "report/figures").iterdir()}
    assert {"data-labels", "reliability", "confidence"} <= figures


def test_members_of_two_and_three_outcomes_never_mix(folder: Path, tmp_path: Path) -> None:
    ids = pd.read_parquet(folder / "wsdm.parquet").id.tolist()
    values = np.random.default_rng(0).dirichlet(np.ones(3), len(ids))
    write_probabilities(tmp_path / "three.csv", ids, values)
    refused = prefens(
        "import_oof", f"path={tmp_path}/three.csv", f"tracking.root={folder}/runs", cwd=folder, fails=True
    )
    assert "member three: 3 outcomes" in refused.stderr
    blended = ["blend", f"members=[{tmp_path}/three.csv]", "data.path=wsdm.parquet", f"out={tmp_path}"]
    assert "member three: 3 outcomes" in prefens(*blended, cwd=folder, fails=True).stderr
    three = ["data.path=wsdm.parquet", "data.outcomes=3", "tracking=none", f"out={tmp_path}"]
    assert "data.outcomes=2" in prefens("blend", *three, cwd=folder, fails=True).stderr
