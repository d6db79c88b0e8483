"""Importing: once is enough, another file needs force, and what we trained is never replaced."""

from pathlib import Path

import numpy as np
import pytest

from prefens.core.errors import ConfigError, StoreError
from prefens.core.types import Pairs
from prefens.runner.import_member import import_member
from prefens.store.external import ExternalMember
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import folds_of, run_result
from tests.helpers.stores import damage, fill, spec_of
from tests.helpers.trackers import guarded


@pytest.fixture
def split(tmp_path: Path, pairs: Pairs) -> SplitStore:
    return OOFStore(tmp_path).put_folds(folds_of(pairs, holdout=0.2))


def member(pairs: Pairs, seed: int = 0, digest: str = "d") -> ExternalMember:
    return ExternalMember("mine", digest, pairs.ids, np.random.default_rng(seed).dirichlet(np.ones(3), size=60))


def content(split: SplitStore) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in split.path.rglob("*") if path.is_file()}


def test_an_imported_member_is_a_member(split: SplitStore, pairs: Pairs) -> None:
    spec = import_member(split, NoTracker(), member(pairs))
    assert list(split.members()) == [spec]
    assert split.finished_folds(spec) == list(range(5))
    assert (spec.name, spec.backbone, spec.seed) == ("mine", None, None)
    for fold in range(5):
        record = split.record(spec, fold)
        assert (record.key, record.valid_rows) == (spec.key(fold), len(split.folds.split(fold).valid))
        assert not any((split.fold_dir("mine", fold) / "model").iterdir())


def test_again_changes_nothing_and_another_needs_force(split: SplitStore, pairs: Pairs) -> None:
    import_member(split, NoTracker(), member(pairs))
    before = content(split)
    import_member(split, NoTracker(), member(pairs))
    assert content(split) == before
    for other in (member(pairs, seed=1, digest="e"), member(pairs, seed=1)):  # another file; the same, other columns
        with pytest.raises(StoreError, match=r"mine already(.|\n)*force=true"):
            import_member(split, NoTracker(), other)
        assert content(split) == before
    spec = import_member(split, NoTracker(), member(pairs, seed=1, digest="e"), force=True)
    assert list(split.members()) == [spec]
    assert spec.recipe == {"external": "e", "name": "mine"}


def test_an_interrupted_import_goes_on(split: SplitStore, pairs: Pairs) -> None:
    spec = member(pairs).spec(split.folds)
    split.put_member(spec)
    split.put(spec, member(pairs).runs(split.folds)[2], run_result(seconds=0.0), lambda directory: None)
    import_member(split, NoTracker(), member(pairs))
    assert split.finished_folds(spec) == list(range(5))


@pytest.mark.parametrize("file", ["member.json", "fold-2/run.json", "fold-2/predictions.parquet"])
@pytest.mark.parametrize("how", ["truncated", "flipped"])
def test_importing_again_writes_what_is_damaged(split: SplitStore, pairs: Pairs, file: str, how: str) -> None:
    spec = import_member(split, NoTracker(), member(pairs))
    expected = split.predictions(spec, 2).probabilities
    damage(split.member_dir(spec.name) / file, how)
    with pytest.raises(StoreError, match=r"to do: .*prefens\.import_oof"):
        split.predictions(split.member(spec.name), 2)
    assert import_member(split, NoTracker(), member(pairs)) == spec
    np.testing.assert_array_equal(split.predictions(split.member(spec.name), 2).probabilities, expected)


def test_a_damaged_member_of_ours_is_not_replaced(split: SplitStore, pairs: Pairs) -> None:
    ours = spec_of(split.folds)
    fill(split, split.folds, ours)
    damage(split.member_dir(ours.name) / "member.json", "truncated")
    with pytest.raises(StoreError, match=r"member\.json"):
        import_member(split, NoTracker(), ExternalMember(ours.name, "d", pairs.ids, member(pairs).probabilities), True)


def test_what_we_trained_is_never_replaced(split: SplitStore, pairs: Pairs) -> None:
    folds = split.folds
    ours = MemberSpec("tfidf", "tfidf", {}, 0, folds.data_digest, folds.digest)
    split.put_member(ours)
    external = ExternalMember(ours.name, "d", pairs.ids, member(pairs).probabilities)
    with pytest.raises(StoreError, match="already"):
        import_member(split, NoTracker(), external, force=True)


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "oof.csv", "blend", "best", "a\x1b[31m", "a\nb"])
def test_names_that_are_no_folder_or_mean_the_blend_are_refused(split: SplitStore, pairs: Pairs, name: str) -> None:
    with pytest.raises(ConfigError, match="name="):
        import_member(split, NoTracker(), ExternalMember(name, "d", pairs.ids, member(pairs).probabilities))


def test_the_tracker_has_one_finished_run_with_scores(split: SplitStore, pairs: Pairs, tmp_path: Path) -> None:
    tracker = MlflowTracker(tmp_path, "prefens")
    import_member(split, NoTracker(), member(pairs))  # what was imported without MLflow is logged afterwards
    for _ in range(2):
        import_member(split, guarded(lambda: tracker, tmp_path), member(pairs))
    (run,) = tracker.client.search_runs([tracker.experiment_id])
    assert (run.info.status, run.data.tags["prefens.role"]) == ("FINISHED", "member")
    assert {"oof_log_loss", "oof_accuracy", "oof_calibration_error", "holdout_log_loss"} <= set(run.data.metrics)
    assert run.data.params["external"] == "d"
