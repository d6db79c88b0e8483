"""A member predicts alone: with its full fit where that is stored, else with its fold models; nothing replaces it."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from prefens.core.errors import StoreError
from prefens.core.types import Pairs
from prefens.data.corpus import Corpus
from prefens.data.folds import prompt_groups
from prefens.inference import bundle
from prefens.inference.batches import predict_groups
from prefens.inference.fold_models import load_model
from prefens.inference.predictor import Predictor
from prefens.inference.saved_model import find_predictor
from prefens.inference.scorer import Scorer
from prefens.inference.unfinished import Unfinished
from prefens.members.style import StyleMember
from prefens.predict import predict
from prefens.runner import config
from prefens.runner.trainer import Trainer
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.factory import Tracking
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import folds_of, make_blend, make_pairs, write_csv
from tests.helpers.stores import damage

K = 2
TEST = make_pairs(12, seed=1)


def make() -> StyleMember:
    return StyleMember("style", strengths=[0.1])


def trained(pairs: Pairs, root: Path, full: bool = True, folds: range = range(K)) -> tuple[SplitStore, MemberSpec]:
    """Train a member without a blend."""
    split_folds = folds_of(pairs, k=K, holdout=0.2)
    corpus = Corpus(pairs, split_folds, prompt_groups(pairs), None)
    split = OOFStore(root).put_folds(split_folds)
    spec = MemberSpec("style", "style", {}, 0, split_folds.data_digest, split_folds.digest)
    trainer = Trainer(corpus, split, NoTracker(), root)
    trainer.train_member(spec, make, folds)
    if full:
        trainer.train_full(spec, make)
    return split, spec


@pytest.mark.parametrize("classes", [3, 2])
def test_a_member_predicts_alone_what_its_full_fit_did(
    classes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = make_pairs(60, classes=classes)
    pairs = replace(pairs, n_outcomes=classes)
    split, spec = trained(pairs, tmp_path / "runs")
    with caplog.at_level(logging.INFO, "prefens"):
        alone = Predictor.of_store(split, spec.name)
    assert f"{spec.name} predicts alone: its full fit, one model" in caplog.text
    held_out = pairs.take(np.flatnonzero(~split.folds.scored))
    stored = split.predictions(spec, K).holdout_probabilities
    np.testing.assert_allclose(alone.predict_pairs(held_out), stored, rtol=0, atol=1e-12)
    expected = alone.predict_pairs(TEST)
    assert expected.shape == (12, classes)
    assert sum(map(len, alone.groups())) == 1
    assert len(alone.contents()[spec.name]) == 1

    alone.save(tmp_path / "saved")
    assert [path.name for path in (tmp_path / "saved/members" / spec.name).iterdir() if path.is_dir()] == ["all"]
    loaded = Predictor.load(tmp_path / "saved")
    loaded.load_all()
    np.testing.assert_array_equal(loaded.predict_pairs(TEST), expected)
    assert loaded.fit == alone.fit

    monkeypatch.setattr(bundle, "build_wheels", lambda _, folder: folder.mkdir())
    contents = bundle.make_bundle(split, spec.name, [], tmp_path / "bundle")
    assert (contents["method"], contents["members"]) == (spec.name, [spec.name])
    (unpacked,) = OOFStore(tmp_path / "bundle/runs").splits()
    assert not unpacked.has_blend()
    assert len([*(tmp_path / "bundle").rglob("run.json")]) == 1
    np.testing.assert_array_equal(Predictor.of_store(unpacked, spec.name).predict_pairs(TEST), expected)


def test_without_a_full_fit_it_is_the_mean_of_its_fold_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split, spec = trained(make_pairs(60), tmp_path, full=False)
    models = [load_model(spec, split.fold_dir(spec.name, fold) / "model", ()) for fold in range(K)]
    expected = np.mean([model.predict_proba(TEST) for model in models], axis=0)
    alone = find_predictor(Tracking(str(tmp_path), "prefens", False), None, spec.name)
    assert alone.fit == "the mean of its 2 fold models"
    np.testing.assert_allclose(alone.predict_pairs(TEST), expected, rtol=0, atol=1e-12)
    monkeypatch.setattr(bundle, "build_wheels", lambda _, folder: folder.mkdir())
    bundle.make_bundle(split, spec.name, [], tmp_path / "bundle")
    (unpacked,) = OOFStore(tmp_path / "bundle/runs").splits()
    np.testing.assert_array_equal(
        Predictor.of_store(unpacked, spec.name).predict_pairs(TEST), alone.predict_pairs(TEST)
    )


def test_a_blend_of_a_member_with_a_full_fit_has_its_fold_models_alone(tmp_path: Path) -> None:
    split, spec = trained(make_pairs(60), tmp_path)
    make_blend(split, {spec.name: 1.0})
    blend = Predictor.of_store(split, "best")
    assert (blend.method, blend.full, blend.fit) == ("soft_vote", False, None)
    blend.save(tmp_path / "saved")
    assert not (tmp_path / "saved/members" / spec.name / "all").exists()
    assert np.abs(blend.predict_pairs(TEST) - Predictor.of_store(split, spec.name).predict_pairs(TEST)).max() > 1e-6
    with pytest.raises(StoreError, match="method=gpt"):
        Predictor.of_store(split, "gpt")


def test_a_damaged_full_fit_is_refused_and_so_is_a_member_that_lacks_folds(tmp_path: Path) -> None:
    split, spec = trained(make_pairs(60), tmp_path / "whole")
    folder = split.fold_dir(spec.name, K)
    damage(next(path for path in (folder / "model").iterdir() if path.suffix == ".safetensors"), "flipped")
    with pytest.raises(StoreError, match=f"{folder}/model") as refused:
        Predictor.of_store(split, spec.name).predict_pairs(TEST)
    assert "full=true" in refused.value.do
    damage(folder / "run.json", "truncated")
    with pytest.raises(StoreError, match=f"{folder}/run.json"):
        Predictor.of_store(split, spec.name).predict_pairs(TEST)
    with pytest.raises(StoreError, match=r"no blend in .*, and no member gpt"):
        Predictor.of_store(split, "gpt")
    part, spec = trained(make_pairs(60), tmp_path / "part", full=False, folds=range(1))
    with pytest.raises(StoreError, match=rf"{spec.name} has no full fit and lacks folds \[1\]"):
        Predictor.of_store(part, spec.name)


def test_a_stopped_prediction_goes_on_and_predict_says_what_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    split, spec = trained(make_pairs(60), Path("runs"))
    alone = Predictor.of_store(split, spec.name)
    unfinished = Unfinished(Path("predict.unfinished"))
    predict_groups(alone.groups(), [TEST], 3, unfinished)
    unfinished.save()
    shutil.rmtree(split.fold_dir(spec.name, 0))  # its fold models are not needed
    expected = alone.predict_pairs(TEST)
    monkeypatch.setattr(StyleMember, "predict_proba", None)  # what is done is not predicted again
    write_csv(Path("test.csv"), TEST, labelled=False)
    with initialize_config_dir(str(config.CONF_DIR), version_base="1.3"):
        settings = compose("predict", overrides=["tracking=none", "data.path=test.csv", f"method={spec.name}"])
    predict(settings)  # type: ignore[arg-type]
    said = json.loads(Path("predict.json").read_text())
    assert (said["method"], said["members"], said["fit"]) == (spec.name, [spec.name], "its full fit, one model")
    np.testing.assert_allclose(said["mean_probabilities"], expected.mean(axis=0), atol=1e-12)
    assert not Path("predict.unfinished").exists()


def test_a_scorer_compares_with_the_full_fit(tmp_path: Path) -> None:
    split, spec = trained(make_pairs(60), tmp_path)
    alone = Predictor.of_store(split, spec.name)
    scores = Scorer(alone).score("Question?", ["no", "a long and a very good answer"])
    compared = Scorer(alone).compare("Question?", "no", "a long and a very good answer")
    assert scores.best == int(compared[1] > compared[0])
