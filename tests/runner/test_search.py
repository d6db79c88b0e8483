"""A search finds what is better, prunes what is not, goes on where it stopped, and marks what it has seen."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from prefens.core.errors import ConfigError, TrainingError
from prefens.core.types import Pairs
from prefens.runner.search import Search, distribution, finished
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from tests.helpers.commands import prefens
from tests.helpers.examples import folds_of, write_csv

SPACE = {"x": {"low": -2.0, "high": 2.0}, "n": [1, 2, 3]}


def search(tmp_path: Path, trials: int, **settings: Any) -> Search:
    return Search(SPACE, trials, f"sqlite:///{tmp_path}/tuning.db", "base", k=3, **({"startup": 4} | settings))


def loss(values: Mapping[str, Any], fold: int) -> tuple[float, int]:
    return 1.0 + values["x"] ** 2 + 0.1 * values["n"] + 0.01 * fold, 10 + fold


def test_the_best_trial_comes_first_and_has_the_weighted_mean_of_its_folds(tmp_path: Path) -> None:
    trials = search(tmp_path, 15).run(loss)
    assert len(trials) == 15
    best = trials[0]
    assert best.state is TrialState.COMPLETE
    found, sizes = np.array([loss(best.params, fold) for fold in range(3)]).T
    assert best.value == pytest.approx(np.average(found, weights=sizes))
    complete = [trial.value for trial in trials if trial.state is TrialState.COMPLETE]
    assert complete == sorted(complete)  # type: ignore[type-var]
    assert any(trial.state is TrialState.PRUNED for trial in trials)
    assert all(len(trial.intermediate_values) == 3 for trial in trials if trial.state is TrialState.COMPLETE)


def test_the_same_search_goes_on_and_another_one_begins(tmp_path: Path) -> None:
    asked: list[float] = []

    def noted(values: Mapping[str, Any], fold: int) -> tuple[float, int]:
        asked.append(values["x"])
        return loss(values, fold)

    search(tmp_path, 3).run(noted)
    first = set(asked)
    trials = search(tmp_path, 6).run(noted)
    assert len(trials) == 6
    assert len(set(asked)) == 6
    assert first < set(asked)
    asked.clear()
    search(tmp_path, 6).run(noted)
    assert asked == []
    assert len(Search(SPACE, 2, search(tmp_path, 1).storage, "other", k=3).run(noted)) == 2


def test_what_was_cut_off_is_tried_again(tmp_path: Path) -> None:
    asked: list[tuple[float, int]] = []

    def interrupted(values: Mapping[str, Any], fold: int) -> tuple[float, int]:
        asked.append((values["x"], fold))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return loss(values, fold)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, 2).run(interrupted)
    trials = search(tmp_path, 2).run(interrupted)
    assert [x for x, _ in asked[:3]] == [asked[0][0]] * 3
    assert asked[0][0] in {trial.params["x"] for trial in trials}
    assert len(trials) == 2


def test_failed_trials_count_and_do_not_end_the_search(tmp_path: Path) -> None:
    def failing(values: Mapping[str, Any], fold: int) -> tuple[float, int]:
        if values["n"] == 2:
            raise TrainingError("a loss of nan", "a finite loss", "lower training.lr")
        return loss(values, fold)

    trials = search(tmp_path, 10).run(failing)
    assert len(trials) == 10
    assert {trial.params["n"] for trial in trials if trial.state is TrialState.FAIL} == {2}
    assert len(finished(trials)) == 10


@pytest.mark.parametrize("given", [{"low": 1}, {"low": 2, "high": 1}, 5, "1,2", {"low": 0, "high": 1, "log": True}, []])
def test_a_space_that_is_none_is_told(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"training\.lr"):
        distribution("training.lr", given)


def test_settings_of_the_corpus_are_no_part_of_a_space(tmp_path: Path) -> None:
    """The corpus is loaded and taught once: with them, all trials would be one member."""
    with pytest.raises(ConfigError, match=r"space= with teacher\.share(.|\n)*settings of the member"):
        Search({"teacher.share": [0.2, 0.8]}, 1, f"sqlite:///{tmp_path}/tuning.db", "base", k=3)


def test_an_empty_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="space="):
        Search({}, 5, f"sqlite:///{tmp_path}/tuning.db", "base", k=3)


def test_marks_are_kept_and_are_not_the_identity(tmp_path: Path, pairs: Pairs) -> None:
    folds = folds_of(pairs)
    split = OOFStore(tmp_path).put_folds(folds)
    spec = MemberSpec("tfidf", "x", {}, 0, folds.data_digest, folds.digest)
    split.put_member(spec)
    assert [each.tuned_on_oof for each in split.members()] == [False]
    split.mark_tuned(spec)
    (marked,) = split.members()
    assert marked.tuned_on_oof
    assert marked.info.tuned_on_oof
    assert marked.key(0) == spec.key(0)


@pytest.mark.slow
def test_the_command_searches_resumes_and_marks(tmp_path: Path, pairs: Pairs) -> None:
    write_csv(tmp_path / "train.csv", pairs)
    arguments = [
        "data.path=train.csv", "backbone=tfidf", "backbone.strengths=[0.1]", "tracking=none", "startup=1", "folds.k=3",
        "space={backbone.bits: [8, 9, 10]}",
    ]  # fmt: skip
    prefens("tune", *arguments, "trials=1", cwd=tmp_path)
    done = prefens("tune", *arguments, "trials=2", cwd=tmp_path)
    trials = json.loads((tmp_path / "runs/tune.json").read_text())["trials"]
    assert len(trials) == 2
    complete = [trial for trial in trials if trial["state"] == "complete"]
    assert complete
    assert all(trial["holdout"] is not None for trial in complete)
    assert "(tuned)" not in done.stdout
    blended = prefens("blend", "tracking=none", "model=false", "resamples=10", cwd=tmp_path)
    assert "(tuned)" not in blended.stdout
    prefens("tune", *arguments, "trials=1", "folds.holdout=0", "tracking.root=seen", cwd=tmp_path)
    shown = prefens("blend", "tracking=none", "tracking.root=seen", "model=false", "resamples=10", cwd=tmp_path)
    assert "(tuned)" in shown.stdout
    wrong = prefens("tune", *arguments[:-1], "space={backbone.bit: [8]}", cwd=tmp_path, fails=True)
    assert "backbone.bit" in wrong.stderr
    assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1", bytes(range(256)) * 100])
def test_a_damaged_storage_is_named_or_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tuning.db").write_bytes(content)
    search = Search(SPACE, 1, f"sqlite:///{tmp_path}/tuning.db", "base", k=3)
    if content:
        with pytest.raises(ConfigError, match=r"tuning\.db"):
            search.study()
    else:
        assert search.study().trials == []
