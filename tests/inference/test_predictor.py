"""Predicting from the store: only members with a weight are needed, and those are named when they are not there."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prefens.core.errors import BackboneError, StoreError
from prefens.core.files import write_json
from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.sources import FileSource
from prefens.data.submission import submission_columns
from prefens.data.text.settings import TextSettings
from prefens.ensemble.base import Blender
from prefens.ensemble.registry import restore
from prefens.inference.fitted_blender import read_predictor, stored_blender
from prefens.inference.predictor import Predictor
from prefens.inference.saved_model import PreferenceModel
from prefens.members.encoder import EncoderMember
from prefens.members.style import StyleMember
from prefens.members.training.settings import Mode, Save, TrainingSettings
from prefens.runner.trainer import Trainer
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import make_blend, make_pairs, write_csv, write_frame


def voted(*weights: float) -> Blender:
    return restore({"method": "soft_vote", "members": len(weights), "weights": list(weights)})


def predictor_of(split: SplitStore, weights: dict[str, float]) -> Predictor:
    blender = voted(*weights.values())
    return Predictor(split, "soft_vote", [*weights], blender, split.folds.k, np.full(3, 1 / 3), ())


@pytest.fixture
def split(tmp_path: Path) -> SplitStore:
    return trained_on(write_csv(tmp_path / "train.csv", make_pairs(60)), tmp_path)


def trained_on(data: Path, tmp_path: Path) -> SplitStore:
    corpus = make_corpus(FileSource(path=str(data)), FoldSettings())
    stored = OOFStore(tmp_path).put_folds(corpus.folds)
    spec = MemberSpec("style", "style", {}, 0, corpus.folds.data_digest, corpus.folds.digest)
    make = lambda: StyleMember("style", strengths=[0.01])  # noqa: E731
    Trainer(corpus, stored, NoTracker(), tmp_path).train_member(spec, make, range(5))
    return stored


def test_members_without_weight_need_not_be_there(split: SplitStore) -> None:
    (spec,) = split.members()
    pairs = make_pairs(10, seed=1)
    predicted = predictor_of(split, {"absent": 0.0, spec.name: 1.0}).predict_pairs(pairs)
    np.testing.assert_allclose(predicted, predictor_of(split, {spec.name: 1.0}).predict_pairs(pairs))
    with pytest.raises(StoreError, match="absent"):
        predictor_of(split, {"absent": 0.5, spec.name: 0.5}).predict_pairs(pairs)


def test_a_member_is_the_mean_of_its_fold_models(split: SplitStore) -> None:
    (spec,) = split.members()
    pairs = make_pairs(10, seed=1)
    models = [StyleMember.load(split.fold_dir(spec.name, fold) / "model") for fold in range(5)]
    expected = np.mean([model.predict_proba(pairs) for model in models], axis=0)
    predictor = predictor_of(split, {spec.name: 1.0})
    np.testing.assert_allclose(predictor.predict_pairs(pairs), expected)
    for _ in range(2):  # again changes nothing
        predictor.load_all()
        np.testing.assert_allclose(predictor.predict_pairs(pairs), expected)
        assert [len(models) for models in predictor.loaded.values()] == [5]


def test_a_blend_names_its_method(split: SplitStore) -> None:
    blend = make_blend(split, {"a": 1.0}, "seed_average")
    stored = stored_blender(split.blend_path, "best")
    assert (stored.name, stored.members) == ("seed_average", ["a"])
    assert stored.blender.state() == blend["methods"][0]["state"]
    with pytest.raises(StoreError, match="greedy"):
        stored_blender(split.blend_path, "greedy")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", 1), ("members", []), ("members", ["a", "a"]), ("members", "a"), ("k", 0), ("k", 1.5), ("k", True),
        ("prior", [0.5, 0.5, 0.5]), ("prior", [1.0]), ("prior", [1.5, -0.5, 0.0]), ("prior", [float("nan")] * 3),
        ("prior", "x"), ("state", None), ("state", {"method": "os.system"}), ("state", voted(0.5, 0.5).state()),
        ("state", {"method": "soft_vote", "members": 1, "weights": [float("inf")]}), ("tie_weight", 1e300),
        ("tie_weight", 0), ("tie_weight", None), ("out_format", "csv"), ("out_format", ["winner"]), ("texts", "html"),
        ("full", 1), ("full", None),
        ("state", voted(1.0).state() | {"outcomes": 2}),
        ("state", {"base": voted(1.0).state(), "calibration": "sources", "coefficients": [-1.0, 0.0]}),
    ],
)  # fmt: skip
def test_a_saved_predictor_of_another_form_is_refused_by_name(tmp_path: Path, field: str, value: Any) -> None:
    content = {"method": "soft_vote", "members": ["a"], "state": voted(1.0).state(), "k": 2, "prior": [0.5, 0.25, 0.25]}
    path = tmp_path / "predictor.json"
    path.write_text(json.dumps(content))
    assert read_predictor(path)[0].k == 2
    path.write_text(json.dumps(content | {"full": True}))
    assert read_predictor(path)[0].full
    two = {"members": ["a", "b"], "state": voted(0.5, 0.5).state(), "full": True}
    for wrong in ({field: value}, two):
        path.write_text(json.dumps(content | wrong))
        with pytest.raises(StoreError, match=str(path)):
            read_predictor(path)


def test_a_blend_of_other_outcomes_than_its_data_is_refused_by_name(split: SplitStore) -> None:
    (spec,) = split.members()
    blend = make_blend(split, {spec.name: 1.0})
    blend["methods"][0]["state"]["outcomes"] = 2
    split.put_blend(lambda folder: write_json(folder / "blend.json", blend))
    with pytest.raises(StoreError, match=f"{split.blend_path}: methods of 2 outcomes"):
        Predictor.of_store(split, "best")


def test_a_saved_predictor_needs_no_store(split: SplitStore, tmp_path: Path) -> None:
    (spec,) = split.members()
    pairs = make_pairs(10, seed=1)
    predictor = predictor_of(split, {"absent": 0.0, spec.name: 1.0})
    predictor.save(tmp_path / "saved")
    expected = predictor.predict_pairs(pairs)
    (tmp_path / "saved").rename(tmp_path / "moved")
    shutil.rmtree(split.path)
    moved = Predictor.load(tmp_path / "moved")
    assert moved.as_dict() == predictor.as_dict()
    np.testing.assert_array_equal(moved.predict_pairs(pairs), expected)
    files = {path.name for path in (tmp_path / "moved").rglob("*") if path.is_file()}
    assert not files & {"predictions.parquet", "folds.parquet"}


def test_a_model_of_votes_reads_plain_texts(tmp_path: Path) -> None:
    pairs = make_pairs(60)
    texts = {name: [turns[0] for turns in getattr(pairs, name)] for name in ("prompt", "response_a", "response_b")}
    frame = pd.DataFrame({"id": pairs.ids, **texts, "winner": np.array(["model_a", "model_b", "tie"])[pairs.labels]})
    split = trained_on(write_frame(tmp_path / "votes.csv", frame), tmp_path)
    make_blend(split, {split.member_names()[0]: 1.0})
    predictor = Predictor.of_store(split, "best")
    assert predictor.out_format == "one_hot"  # three outcomes
    predictor.save(tmp_path / "saved")
    saved = Predictor.load(tmp_path / "saved")
    assert saved.as_dict() == predictor.as_dict()
    answer = PreferenceModel(saved).predict(frame, {"strict": True})
    np.testing.assert_allclose(answer[submission_columns(3)], predictor.predict_pairs(pairs))


def test_json_lists_are_not_noted_and_winners_of_before_are_plain(split: SplitStore, tmp_path: Path) -> None:
    (spec,) = split.members()
    make_blend(split, {spec.name: 1.0})
    predictor = Predictor.of_store(split, "best")
    assert not predictor.reads_plain
    assert "texts" not in predictor.as_dict()
    replace(predictor, out_format="winner").save(tmp_path / "saved")
    assert "texts" not in json.loads((tmp_path / "saved/predictor.json").read_text())
    assert Predictor.load(tmp_path / "saved").reads_plain


@pytest.mark.parametrize("mode", [Mode.lora, Mode.frozen])
def test_a_saved_predictor_holds_each_backbone_once(
    mode: Mode, tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Members that are stored without their backbone predict where nothing but the saved folder is left."""
    base = tmp_path / "base"
    shutil.copytree(tiny_bert, base)
    (base / "optimizer.pt").write_text("what a directory of an earlier training may hold, too")
    training = TrainingSettings(mode=mode, epochs=1, batch_pairs=16, save=Save.fp32)
    make = lambda: EncoderMember("hub/tiny", path=str(base), text=TextSettings(max_length=64), training=training)  # noqa: E731
    corpus = make_corpus(FileSource(path=str(write_csv(tmp_path / "train.csv", make_pairs(40)))), FoldSettings(k=2))
    stored = OOFStore(tmp_path).put_folds(corpus.folds)
    digests = corpus.folds.data_digest, corpus.folds.digest
    specs = [MemberSpec("tiny", "encoder", {}, seed, *digests) for seed in (0, 1)]
    for spec in specs:
        Trainer(corpus, stored, NoTracker(), tmp_path).train_member(spec, make, range(2))
    pairs, predictor = make_pairs(10, seed=1), predictor_of(stored, {spec.name: 0.5 for spec in specs})
    expected = predictor.predict_pairs(pairs)
    predictor.save(tmp_path / "saved")
    shutil.rmtree(base)
    shutil.rmtree(stored.path)
    moved = (tmp_path / "saved").rename(tmp_path / "moved")
    (backbone,) = (moved / "backbones").iterdir()
    assert not (backbone / "optimizer.pt").exists()
    np.testing.assert_allclose(Predictor.load(moved).predict_pairs(pairs), expected, atol=1e-6)
    loaded = Predictor.load(moved)
    shutil.rmtree(backbone)
    with pytest.raises(StoreError, match=f"{backbone}/.*: missing"):
        Predictor.load(moved)
    with pytest.raises(BackboneError, match="is not at"), caplog.at_level(logging.INFO):
        loaded.predict_pairs(pairs)
    assert "predicting with" not in caplog.text  # refused before the first member starts to work


def test_saving_takes_no_second_place_on_the_disk(split: SplitStore, tmp_path: Path) -> None:
    (spec,) = split.members()
    predictor_of(split, {spec.name: 1.0}).save(tmp_path / "saved")
    part = Path("members", spec.name, "fold-0", "model", "settings.json")
    assert (tmp_path / "saved" / part).samefile(split.path / part)


@pytest.mark.parametrize(("change", "message"), [("models", "model.safetensors: missing"), ("kind", "is external")])
def test_members_that_cannot_be_loaded_are_named(split: SplitStore, tmp_path: Path, change: str, message: str) -> None:
    (spec,) = split.members()
    if change == "models":
        shutil.rmtree(split.fold_dir(spec.name, 3) / "model")
    else:
        path = split.member_dir(spec.name) / "member.json"
        external = {"external": spec.name, "kind": None, "backbone": None, "seed": None}
        path.write_text(json.dumps(json.loads(path.read_text()) | external))
    with pytest.raises(StoreError, match=message):
        predictor_of(split, {spec.name: 1.0}).save(tmp_path / "saved")
