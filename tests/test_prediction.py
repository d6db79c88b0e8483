"""Predicting from the store: only members with a weight are needed, and those are named when they are not there."""

from pathlib import Path

import numpy as np
import pytest

from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.sources import FileSource
from prefens.ensemble.base import Blender
from prefens.ensemble.methods import restore
from prefens.errors import StoreError
from prefens.fold_runs import Trainer
from prefens.members.style import StyleMember
from prefens.prediction import Predictor, stored_blender
from prefens.tracking.oof_store import MemberSpec, OOFStore, SplitStore
from prefens.tracking.tracker import NoTracker
from tests.examples import make_pairs, write_csv


def voted(*weights: float) -> Blender:
    return restore({"method": "soft_vote", "members": len(weights), "weights": list(weights)})


@pytest.fixture
def split(tmp_path: Path) -> SplitStore:
    corpus = make_corpus(FileSource(path=str(write_csv(tmp_path / "train.csv", make_pairs(60)))), FoldSettings())
    made = OOFStore(tmp_path).put_folds(corpus.folds)
    target = "prefens.members.style.StyleMember"
    spec = MemberSpec("style", target, {}, 0, corpus.folds.data_digest, corpus.folds.digest)
    make = lambda: StyleMember("style", strengths=[0.01])  # noqa: E731
    Trainer(corpus, made, NoTracker(), tmp_path).train_member(spec, make, range(5))
    return made


def test_members_without_weight_need_not_be_there(split: SplitStore, tmp_path: Path) -> None:
    (spec,) = split.members()
    pairs = make_pairs(10, seed=1)
    predictor = Predictor(split, ["absent", spec.name], voted(0.0, 1.0), tmp_path / "backbones")
    predicted = predictor.predict_pairs(pairs)
    np.testing.assert_allclose(predicted, predictor.member_probabilities(spec, pairs))
    with pytest.raises(StoreError, match="absent"):
        Predictor(split, ["absent", spec.name], voted(0.5, 0.5), tmp_path / "backbones").predict_pairs(pairs)


def test_a_member_is_the_mean_of_its_fold_models(split: SplitStore, tmp_path: Path) -> None:
    (spec,) = split.members()
    pairs = make_pairs(10, seed=1)
    models = [StyleMember.load(split.fold_dir(spec.name, fold) / "model") for fold in range(5)]
    expected = np.mean([model.predict_proba(pairs) for model in models], axis=0)
    found = Predictor(split, [spec.name], voted(1.0), tmp_path / "backbones").member_probabilities(spec, pairs)
    np.testing.assert_allclose(found, expected)


def test_a_blend_names_its_method() -> None:
    state = voted(1.0).state()
    blend = {"best": "log_loss", "members": [{"member": "a"}], "methods": [{"method": "log_loss", "state": state}]}
    name, members, blender = stored_blender(blend, "best")
    assert (name, members, blender.state()) == ("log_loss", ["a"], state)
    with pytest.raises(StoreError, match="greedy"):
        stored_blender(blend, "greedy")
