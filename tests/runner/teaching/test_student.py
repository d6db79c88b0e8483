"""Students: with votes that mean nothing an honest figure shows nothing, and a figure that leaks shows it.

The laws of a student, from a stored teacher to what the student predicts.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from prefens.core.fold_run import FoldPredictions
from prefens.core.metrics import one_hot, outcome_shares, row_losses, swap_outcomes
from prefens.core.teaching import SoftLabels, TeacherSettings
from prefens.core.teaching.soft_labels import TeacherScheme
from prefens.core.types import SWAP, Floats, Pairs, Strings
from prefens.data.corpus import Corpus
from prefens.data.folds import prompt_groups
from prefens.ensemble.blend import make_blend
from prefens.ensemble.files.blend_files import write_blend
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.registry import method
from prefens.members.base import Member
from prefens.members.style import StyleMember
from prefens.members.tfidf import TfidfMember
from prefens.runner.builders import recipe_of
from prefens.runner.fit import fit_fold
from prefens.runner.teaching.settings import TeacherConfig
from prefens.runner.teaching.student import make_soft_labels
from prefens.runner.teaching.unlabelled import with_unlabelled
from prefens.runner.trainer import Trainer
from prefens.store.assemble import make_stack
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.parquet import read_table
from prefens.store.soft_label_store import SoftLabelStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import folds_of, make_pairs

Make = Callable[[], Member]

K = 3
SEEDS = 20
LEVEL = 0.001  # of the one-sided tests
MEMORIZES = 1.0  # an inverse regularization with which more features than rows learn the votes by heart


def style(strength: float = MEMORIZES) -> Make:
    return partial(StyleMember, "style", strengths=[strength])


def tfidf(strength: float = MEMORIZES) -> Make:
    return partial(TfidfMember, "tfidf", word_ngrams=[1, 1], char_ngrams=[3, 3], bits=6, strengths=[strength])


STUDENT = style(0.01)
MOST = 0.9  # the share of pairs without votes in a student's loss, so that what leaks by them is seen


def corpus_of(pairs: Pairs, seed: int = 0, like: Corpus | None = None) -> Corpus:
    """Return pairs with their folds, or with those of another corpus of the same ids."""
    folds = folds_of(pairs, k=K, holdout=0.25, seed=seed) if like is None else replace(like.folds, label=pairs.labels)
    return Corpus(pairs, folds, prompt_groups(pairs), None)


def train(corpus: Corpus, root: Path, make: Make, full: bool = False) -> MemberSpec:
    """Train a member, a student where the corpus has soft labels, and store it."""
    member, folds = make(), corpus.folds
    recipe = recipe_of(member) | member.identity()
    if corpus.soft_labels is not None:
        recipe["teacher"] = corpus.soft_labels.recipe()
    spec = MemberSpec(recipe["kind"], recipe["kind"], recipe, 0, folds.data_digest, folds.digest)
    trainer = Trainer(corpus, OOFStore(root).put_folds(folds), NoTracker(), root)
    trainer.train_member(spec, make, range(K + full))
    return spec


def teachers(corpus: Corpus, root: Path) -> tuple[SplitStore, list[MemberSpec]]:
    """Train two members that learn votes by heart, and blend them."""
    specs = [train(corpus, root, make) for make in (style(), tfidf())]
    split = OOFStore(root).put_folds(corpus.folds)
    runs = {spec.info: [split.predictions(spec, fold) for fold in range(K)] for spec in specs}
    inputs = BlendInputs(split.folds, *make_stack(split.folds, runs), split, specs)
    made = make_blend(inputs, [method("soft_vote")(), method("log_loss")()], (), 20)
    split.put_blend(partial(write_blend, made))
    return split, specs


def taught(corpus: Corpus, split: SplitStore, source: str, scheme: str, share: float = 1.0) -> Corpus:
    settings = TeacherConfig(scheme=TeacherScheme[scheme], source=source, share=share, unlabelled_share=MOST)
    return replace(corpus, soft_labels=make_soft_labels(corpus, split, settings))


def leaking(corpus: Corpus) -> Corpus:
    """Return the corpus of a student that learns, whatever its fold, from all teachers of pairs without votes."""
    labels = corpus.soft_labels
    assert labels is not None
    whole = labels.by_fold[K][labels.n_voted :]
    by_fold = {fold: np.concatenate([own[: labels.n_voted], whole]) for fold, own in labels.by_fold.items()}
    return replace(corpus, soft_labels=replace(labels, by_fold=by_fold))


class Losses:
    """By how many nats members of a store are above the class prior of the rows that they were trained on.

    A prior is that of the training rows, which is what is known without looking.
    """

    def __init__(self, split: SplitStore) -> None:
        self.split = split
        self.label = dict(zip(split.folds.ids, split.folds.label, strict=True))

    def out_of_fold(self, spec: MemberSpec) -> float:
        runs = [self.split.predictions(spec, fold) for fold in range(K)]
        rows = [self._above(run.ids, run.probabilities, fold) for fold, run in enumerate(runs)]
        return float(np.concatenate(rows).mean())

    def held_out(self, spec: MemberSpec, folds: Sequence[int]) -> float:
        runs: list[FoldPredictions] = [self.split.predictions(spec, fold) for fold in folds]
        probabilities = np.mean([run.holdout_probabilities for run in runs], axis=0)
        return float(self._above(runs[0].holdout_ids, probabilities, K).mean())

    def _above(self, ids: Strings, probabilities: Floats, fold: int) -> Floats:
        folds, label = self.split.folds, np.array([self.label[id_] for id_ in ids], dtype=np.int8)
        prior = outcome_shares(folds.label[folds.scored & (folds.fold != fold)], 3)
        above: Floats = row_losses(probabilities, label) - row_losses(np.tile(prior, (len(ids), 1)), label)
        return above


@pytest.fixture(scope="module")
def above_prior(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[float]]:
    """The figures of students over SEEDS permutations of the votes, each in nats above the class prior."""
    pairs = make_pairs(270)
    asked, unlabelled = pairs.take(np.arange(120)), pairs.take(np.arange(120, 270)).unlabelled()
    asked = asked.take(np.argsort(asked.ids))
    above = defaultdict[str, list[float]](list)
    for seed in range(SEEDS):
        root = tmp_path_factory.mktemp(f"seed-{seed}")
        label = np.random.default_rng(seed).permutation(asked.labels)
        corpus = corpus_of(replace(asked, label=label), seed)
        split, specs = teachers(corpus, root)
        losses, more = Losses(split), with_unlabelled(corpus, unlabelled)
        for source, name in (("blend", "blend"), ("member", specs[0].name)):
            nested, oof = taught(corpus, split, name, "nested"), taught(corpus, split, name, "oof")
            spec = train(oof, root, STUDENT, full=True)
            above[f"{source} oof, out of fold"].append(losses.out_of_fold(spec))
            above[f"{source} oof, held out"].append(losses.held_out(spec, range(K)))
            above[f"{source} oof, full fit held out"].append(losses.held_out(spec, [K]))
            above[f"{source} nested, out of fold"].append(losses.out_of_fold(train(nested, root, STUDENT)))
            nested = taught(more, split, name, "nested")
            spec = train(nested, root, STUDENT, full=True)
            above[f"{source} nested, unlabelled, out of fold"].append(losses.out_of_fold(spec))
            above[f"{source} nested, unlabelled, full fit held out"].append(losses.held_out(spec, [K]))
            spec = train(leaking(nested), root, STUDENT)
            above[f"{source} nested, leaking unlabelled, out of fold"].append(losses.out_of_fold(spec))
    return above


@pytest.mark.slow
def test_honest_figures_of_permuted_votes_are_no_better_than_the_class_prior(
    above_prior: Mapping[str, list[float]],
) -> None:
    """One-sided t-tests over the seeds; those of figures that leak show what they would notice."""
    chance = {name: stats.ttest_1samp(values, 0.0, alternative="less").pvalue for name, values in above_prior.items()}
    leaks = {name for name in chance if "leaking" in name or name.endswith("oof, out of fold")}
    assert len(leaks) == 4 < len(chance)
    assert {name for name, value in chance.items() if value < LEVEL} == leaks
    assert {len(values) for values in above_prior.values()} == {SEEDS}


def predictions_of(corpus: Corpus, split: SplitStore, make: Make, fold: int) -> Floats:
    """Return what a member says of all pairs of its corpus that is trained without a fold."""
    member, spec = make(), split.member(split.member_names()[0])
    fit_fold(corpus, corpus.folds.split(fold), member, spec.key(fold), split.root)
    return member.predict_proba(corpus.pairs)


@pytest.fixture(scope="module")
def taught_by(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, SplitStore]:
    corpus = corpus_of(make_pairs(80))
    return corpus, teachers(corpus, tmp_path_factory.mktemp("taught_by"))[0]


@pytest.mark.parametrize("make", [style(0.1), tfidf(0.1)])
@pytest.mark.parametrize("fold", [1, K])
def test_no_share_of_the_teacher_and_one_that_repeats_the_votes_are_no_teacher_bit_for_bit(
    taught_by: tuple[Corpus, SplitStore], make: Make, fold: int
) -> None:
    corpus, split = taught_by
    plain = predictions_of(corpus, split, make, fold)
    for scheme in ("oof", "nested"):
        silent = taught(corpus, split, "blend", scheme, share=0.0)
        assert (predictions_of(silent, split, make, fold) == plain).all()
    votes = np.where(corpus.folds.scored[:, None], one_hot(corpus.pairs.labels, 3), np.nan)
    repeated = SoftLabels(dict.fromkeys(range(K + 1), votes), len(votes), TeacherSettings(share=0.7))
    assert (predictions_of(replace(corpus, soft_labels=repeated), split, make, fold) == plain).all()
    students = taught(corpus, split, "blend", "oof", share=0.5)
    assert (predictions_of(students, split, make, fold) != plain).any()


def test_full_fits_learn_from_the_same_labels_under_both_schemes(taught_by: tuple[Corpus, SplitStore]) -> None:
    """They leave out no fold: that a teacher did not see the row is enough, since the hold-out is what they are for."""
    soft = [taught(*taught_by, "blend", scheme).soft_labels for scheme in ("oof", "nested")]
    oof, nested = (labels.by_fold[K] for labels in soft if labels is not None)
    np.testing.assert_array_equal(oof, nested)


def test_soft_labels_are_computed_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where a fit ends in other bits, as on another processor, a student has the name that it had."""
    corpus = corpus_of(make_pairs(80))
    split, _ = teachers(corpus, tmp_path)
    whole = with_unlabelled(corpus, make_pairs(100, seed=1).take(np.arange(80, 100)).unlabelled())
    for scheme in ("oof", "nested"):
        first = taught(whole, split, "blend", scheme).soft_labels
        path = max(split.path.glob("soft_labels/*.parquet"), key=lambda path: path.stat().st_mtime_ns)
        table, metadata = read_table(path, "")
        store = SoftLabelStore(split, metadata["inputs"], len(table) // (K + 1))
        stored = store.get()
        assert stored is not None
        store.put(stored * (1 + 1e-12))
        again = taught(whole, split, "blend", scheme).soft_labels
        assert first is not None
        assert again is not None
        assert again.digest != first.digest
        np.testing.assert_allclose(again.by_fold[0], first.by_fold[0], atol=1e-11)
        path.write_bytes(b"damaged")
        healed = taught(whole, split, "blend", scheme).soft_labels
        assert healed is not None
        assert healed.digest == first.digest
        assert f"{path}: " in caplog.text


def test_another_teacher_has_soft_labels_of_its_own(tmp_path: Path) -> None:
    corpus = corpus_of(make_pairs(80))
    split, specs = teachers(corpus, tmp_path)
    labels = [taught(corpus, split, spec.name, "oof").soft_labels for spec in specs]
    other = corpus_of(replace(corpus.pairs, label=SWAP[corpus.pairs.labels].astype(np.int8)), like=corpus)
    again = train(other, tmp_path / "other", style())
    assert again.name == specs[0].name
    shutil.rmtree(split.member_dir(again.name))
    shutil.copytree(
        OOFStore(tmp_path / "other").put_folds(other.folds).member_dir(again.name), split.member_dir(again.name)
    )
    labels.append(taught(corpus, SplitStore(split.path), again.name, "oof").soft_labels)
    assert len({own.digest for own in labels if own is not None}) == 3


def test_students_of_swapped_pairs_are_swapped(taught_by: tuple[Corpus, SplitStore], tmp_path: Path) -> None:
    corpus, split = taught_by
    other = corpus_of(corpus.pairs.swapped(), like=corpus)
    swapped = teachers(other, tmp_path)[0]
    unlabelled = make_pairs(140, seed=1).take(np.arange(100, 140)).unlabelled()
    both = (corpus, split, unlabelled), (other, swapped, unlabelled.swapped())
    for scheme in ("oof", "nested"):
        one, two = (taught(with_unlabelled(each, more), store, "blend", scheme) for each, store, more in both)
        assert one.soft_labels is not None
        assert two.soft_labels is not None
        for fold, soft in one.soft_labels.by_fold.items():
            np.testing.assert_allclose(two.soft_labels.by_fold[fold], swap_outcomes(soft), atol=1e-6)
        for fold in (0, K):
            predicted = predictions_of(one, split, STUDENT, fold)
            np.testing.assert_allclose(predictions_of(two, swapped, STUDENT, fold), swap_outcomes(predicted), atol=1e-6)
