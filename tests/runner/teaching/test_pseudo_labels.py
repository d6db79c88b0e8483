"""Pseudo-labels: each fold's come from models that did not see it, and each model predicts once."""

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prefens.core import shutdown
from prefens.core.errors import StoreError
from prefens.core.leases import leases
from prefens.core.leases.leases import Busy, acquire
from prefens.core.metrics import swap_outcomes
from prefens.core.shutdown import Stopped
from prefens.core.types import Floats, Pairs, outcome_names
from prefens.data.corpus import Corpus
from prefens.data.folds import prompt_groups
from prefens.ensemble.base import Blender
from prefens.ensemble.registry import restore
from prefens.ensemble.stacking import Stacking
from prefens.inference.fold_models import load_model
from prefens.members.base import Member
from prefens.members.style import StyleMember, all_features
from prefens.members.tfidf import TfidfMember
from prefens.runner.import_member import import_member
from prefens.runner.sweep_status import split_statuses
from prefens.runner.teaching import pseudo_labels
from prefens.runner.teaching.pseudo_labels import predict_unlabelled
from prefens.runner.teaching.unlabelled import unlabelled_digest
from prefens.runner.trainer import Trainer
from prefens.store.assemble import make_stack
from prefens.store.external import ExternalMember
from prefens.store.fold_status import FoldState
from prefens.store.leftovers import remove_leftovers
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.parquet import read_table, write_table
from prefens.store.split_store import SplitStore
from prefens.store.tracking.tracker import NoTracker
from prefens.store.unlabelled_store import UnlabelledStore
from tests.helpers.examples import folds_of, make_pairs
from tests.helpers.stores import damage, fill

K = 3
MAKE = {
    "style": lambda: StyleMember("style", strengths=[0.01]),
    "tfidf": lambda: TfidfMember("tfidf", word_ngrams=[1, 1], char_ngrams=[3, 3], bits=8, strengths=[0.1]),
}
PAIRS = make_pairs(12, seed=1).unlabelled()
TEXTS = pa.schema([(name, pa.string()) for name in outcome_names()])


def train(pairs: Pairs, corpus_of: Pairs, root: Path, force: bool = False, kinds: Iterable[str] = MAKE) -> SplitStore:
    """Train members on pairs with the folds of others, which have the same ids and texts."""
    folds = replace(folds_of(corpus_of, k=K), label=pairs.labels)
    corpus = Corpus(pairs, folds, prompt_groups(pairs), None)
    split = OOFStore(root).put_folds(folds)
    for kind in kinds:
        spec = MemberSpec(kind, kind, {}, 0, folds.data_digest, folds.digest)
        Trainer(corpus, split, NoTracker(), root, force).train_member(spec, MAKE[kind], range(K))
    return split


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> SplitStore:
    return train(make_pairs(60), make_pairs(60), tmp_path_factory.mktemp("trained"))


@pytest.fixture
def split(trained: SplitStore, tmp_path: Path) -> SplitStore:
    """A store of two members."""
    shutil.copytree(trained.root, tmp_path / "root")
    return SplitStore(tmp_path / "root" / trained.path.relative_to(trained.root))


def voted(*weights: float) -> Blender:
    return restore({"method": "soft_vote", "members": len(weights), "weights": list(weights)})


BLENDERS = {0: voted(0.2, 0.8), 1: voted(0.5, 0.5), 2: voted(1.0, 0.0), K: voted(0.7, 0.3)}


def labels_of(split: SplitStore, pairs: Pairs = PAIRS) -> dict[int, Floats]:
    return predict_unlabelled(split, [*split.members()], BLENDERS, pairs)


def predictions_of(split: SplitStore, fold: int) -> Floats:
    """What the models of a fold predict, (2, u, K)."""
    models = [load_model(spec, split.fold_dir(spec.name, fold) / "model", []) for spec in split.members()]
    return np.array([model.predict_proba(PAIRS) for model in models])


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The fold models that were loaded, each time that one is."""
    names: list[str] = []

    def counted(spec: MemberSpec, folder: Path, backbones: list[Path]) -> Member:
        names.append(f"{spec.backbone} {folder.parent.name}")
        return load_model(spec, folder, backbones)

    monkeypatch.setattr(pseudo_labels, "load_model", counted)
    yield names
    shutdown.set_deadline(None)


def test_a_fold_is_labelled_by_its_own_models_and_the_full_fit_by_all(split: SplitStore) -> None:
    by_model = np.array([predictions_of(split, fold) for fold in range(K)])
    labels = labels_of(split)
    assert [*labels] == [0, 1, 2, K]
    for fold in range(K):
        np.testing.assert_allclose(labels[fold], BLENDERS[fold].predict(by_model[fold]))
    np.testing.assert_allclose(labels[K], BLENDERS[K].predict(by_model.mean(axis=0)))
    swapped = labels_of(split, PAIRS.swapped())
    for fold, values in labels.items():
        np.testing.assert_allclose(swapped[fold], swap_outcomes(values), atol=1e-9)


def test_the_labels_of_a_fold_know_nothing_of_its_votes(pairs: Pairs, split: SplitStore, tmp_path: Path) -> None:
    folds, label = split.folds, pairs.labels.copy()
    in_fold = np.flatnonzero(folds.fold == 1)
    label[in_fold] = np.roll(label[in_fold], 1)
    assert (label != pairs.labels).any()
    other = labels_of(train(replace(pairs, label=label), pairs, tmp_path / "other"))
    for fold, values in labels_of(split).items():
        assert (other[fold] == values).all() == (fold == 1)


def test_each_model_predicts_once(
    split: SplitStore, pairs: Pairs, loaded: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    first = labels_of(split)
    assert sorted(loaded) == [f"{kind} fold-{fold}" for kind in MAKE for fold in range(K)]
    second = labels_of(split)
    assert len(loaded) == 2 * K
    assert all((first[fold] == second[fold]).all() for fold in first)
    train(replace(pairs, label=np.roll(pairs.labels, 1)), pairs, split.root, force=True, kinds=["style"])
    third = labels_of(split)
    assert loaded[2 * K :] == [f"style fold-{fold}" for fold in range(K)]
    assert all((first[fold] != third[fold]).any() for fold in first)
    labels_of(split, PAIRS.take(np.arange(5)))
    assert len(loaded) == 5 * K
    assert "again" not in caplog.text  # nothing is damaged


def test_damaged_predictions_are_made_again(
    split: SplitStore, loaded: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    first, spec = labels_of(split), next(split.members())
    path = UnlabelledStore(split, unlabelled_digest(PAIRS), len(PAIRS)).path(spec, 1)
    for how in ("truncated", "flipped", "no parquet", "deleted", "other values", "other rows", "other types"):
        loaded.clear()
        caplog.clear()
        if how.startswith("other"):
            table, metadata = read_table(path, "")
            other = table.take([*range(1, 12), 0] if how == "other values" else [0])
            write_table(path, table.cast(TEXTS) if how == "other types" else other, metadata)
        else:
            damage(path, how)
        second = labels_of(split)
        assert loaded == [f"{spec.backbone} fold-1"]
        assert all((first[fold] == second[fold]).all() for fold in first)
        assert caplog.text.count("predicting it again") == caplog.text.count(str(path)) == (how != "deleted")
    labels_of(split)
    assert len(loaded) == 1


def test_what_is_stopped_goes_on(split: SplitStore, loaded: list[str]) -> None:
    shutdown.set_deadline(0.0)
    with pytest.raises(Stopped):
        labels_of(split)
    done = len(loaded)
    assert 0 < done < 2 * K
    shutdown.set_deadline(None)
    stopped = labels_of(split)
    assert len(loaded) <= 2 * K + 1  # one was loaded, and had not begun
    whole = labels_of(train_again(split))
    assert all((stopped[fold] == whole[fold]).all() for fold in stopped)


def train_again(split: SplitStore) -> SplitStore:
    """Return the split without what was predicted."""
    (split.path / "unlabelled").rename(split.root / "moved")
    return split


def test_one_process_predicts_at_a_time(
    split: SplitStore, loaded: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = labels_of(split)
    store = UnlabelledStore(split, unlabelled_digest(PAIRS), len(PAIRS))
    aside = store.folder.rename(split.root / "aside")
    loaded.clear()

    def held(path: Path, metadata: Mapping[str, object]) -> None:
        """The lease of a process that is done when it is asked for again."""
        assert path == store.lease
        aside.rename(store.folder)
        monkeypatch.setattr(leases, "acquire", acquire)
        raise Busy(None)

    monkeypatch.setattr(leases, "acquire", held)
    monkeypatch.setattr(leases, "POLL_SECONDS", 0.0)
    second = labels_of(split)
    assert loaded == []
    assert all((first[fold] == second[fold]).all() for fold in first)
    assert f"{store.lease.stem} is held by another process; waiting" in caplog.text


def test_only_members_with_a_weight_are_needed(split: SplitStore, loaded: list[str]) -> None:
    style, tfidf = split.members()
    predict_unlabelled(split, [style, tfidf], {2: BLENDERS[2]}, PAIRS)
    assert loaded == ["style fold-2"]


def test_members_that_cannot_label_new_pairs_are_refused_by_name(split: SplitStore) -> None:
    style, tfidf = split.members()
    external = MemberSpec(None, None, {}, None, style.data_digest, style.fold_digest, external="theirs")
    bare = replace(style, seed=1)  # training.save=none
    for spec in (external, bare):
        fill(split, split.folds, spec)
        with pytest.raises(StoreError, match=f"{spec.name} .*: it can't label new pairs") as refusal:
            predict_unlabelled(split, [tfidf, spec], BLENDERS, PAIRS)
        assert f"blend without {spec.name}" in refusal.value.do
        split.forget(spec)
    path = next((split.fold_dir(tfidf.name, 1) / "model").glob("*.safetensors"))
    damage(path, "flipped")
    with pytest.raises(StoreError, match=f"{path}: its content is not what was written") as refusal:
        labels_of(split)
    assert refusal.value.do == tfidf.remake
    (split.fold_dir(tfidf.name, 1) / "run.json").unlink()
    with pytest.raises(StoreError, match=r"run\.json"):
        labels_of(split)


def test_blenders_that_look_at_pairs_get_their_features(split: SplitStore) -> None:
    specs = [*split.members()]
    runs = {spec.info: [split.predictions(spec, fold) for fold in range(K)] for spec in specs}
    stack, _ = make_stack(split.folds, runs, None)
    blender = Stacking(style=True).fit(replace(stack, features=all_features(make_pairs(60))))
    labels = predict_unlabelled(split, specs, {0: blender}, PAIRS)
    np.testing.assert_allclose(labels[0], blender.predict(predictions_of(split, 0), all_features(PAIRS)))


def test_other_commands_see_the_members_alone(split: SplitStore) -> None:
    labels_of(split)
    written = {path for path in split.path.rglob("unlabelled/**/*") if path.is_file()}
    assert len(written) == 2 * K
    remove_leftovers(split.root)
    assert all(path.exists() for path in written)
    statuses = split_statuses(split.root)[0].members
    assert [status.state for folds in statuses.values() for status in folds] == [FoldState.done] * 2 * K
    assert [other.path for other in OOFStore(split.root).splits()] == [split.path]
    theirs = import_member(split, NoTracker(), ExternalMember("theirs", "d", split.folds.ids, np.full((60, 3), 1 / 3)))
    assert [spec.name for spec in split.members()] == [*statuses, theirs.name]
    assert {path for path in split.path.rglob("unlabelled/**/*") if path.is_file()} == written
