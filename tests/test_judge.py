"""The command that scores judges: a blend and its member on a new benchmark, files, and honest predictions."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

from prefens.core.errors import ConfigError, DataError, StoreError
from prefens.core.metrics import one_hot, swap_outcomes
from prefens.core.types import MemberInfo, OOFStack
from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.load import load_pairs
from prefens.data.sources import FileSource
from prefens.ensemble.blend import make_blend as blend_of
from prefens.ensemble.files.blend_files import write_blend
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.soft_vote import SoftVote
from prefens.judge import judge
from prefens.members.style import StyleMember
from prefens.runner import config
from prefens.runner.trainer import Trainer
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.benchmarks import BENCHMARKS, write_reward_bench, write_rows
from tests.helpers.commands import prefens
from tests.helpers.examples import make_blend, make_pairs, write_csv, write_probabilities
from tests.helpers.formats import judgebench

Scores = dict[tuple[str, str, str], dict[str, Any]]


def judged(*overrides: str, tracking: str = "none") -> Scores:
    with initialize_config_dir(str(config.CONF_DIR), version_base="1.3"):
        rows = judge(compose("judge", overrides=[f"tracking={tracking}", *overrides]))  # type: ignore[arg-type]
    return {(row["judge"], row["metric"], row["subset"]): row for row in rows}


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with training pairs, a store with a blend of one member, and benchmarks; and the member's name."""
    folder = tmp_path_factory.mktemp("judge")
    corpus = make_corpus(FileSource(path=str(write_csv(folder / "train.csv", make_pairs(60)))), FoldSettings(k=2))
    split = OOFStore(folder / "runs").put_folds(corpus.folds)
    spec = MemberSpec("style", "style", {}, 0, corpus.folds.data_digest, corpus.folds.digest)
    trainer = Trainer(corpus, split, NoTracker(), folder / "runs")
    trainer.train_member(spec, lambda: StyleMember("style", strengths=[0.01]), range(2))
    make_blend(split, {spec.name: 1.0}, "soft_vote")
    write_reward_bench(folder / "bench.jsonl")
    pairs = load_pairs(folder / "bench.jsonl").pairs
    sure = one_hot(pairs.labels, 3) * 0.98 + 0.01
    sure /= sure.sum(axis=1, keepdims=True)
    write_probabilities(folder / "oracle.csv", pairs.ids[::-1], sure[::-1])
    ids, both = [*pairs.ids, *(f"{id_}-swapped" for id_ in pairs.ids)], np.concatenate([sure, sure])
    write_probabilities(folder / "first.csv", ids, both)  # in the other order it says the opposite
    both[len(sure) :] = swap_outcomes(sure)
    write_probabilities(folder / "fair.csv", ids, both)
    write_probabilities(folder / "gaps.csv", ids[:-1], both[:-1])
    return folder, spec.name


@pytest.fixture(autouse=True)
def inside(member: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(member[0])


def test_a_blend_its_member_and_files_are_in_one_table(
    member: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, name = member
    which = f"predictors=[best,{name},oracle.csv,first.csv,fair.csv]"
    scores = judged("data.path=bench.jsonl", which, "out=all")
    assert scores["oracle", "accuracy", ""]["value"] == 1.0  # joined by id, not by position
    assert scores["oracle", "best of 4", "Math"]["count"] == 20
    assert scores["oracle", "mean of subsets", ""]["value"] == scores["fair", "ties", ""]["value"] == 1.0
    assert ("oracle", "position consistency", "") not in scores
    assert scores["fair", "position consistency", ""]["value"] == 1.0
    assert scores["first", "position consistency", ""]["value"] == 0.0
    assert scores["first", "best of 4", ""]["value"] == 0.25
    for metric in ("accuracy", "best of 4", "ties"):
        assert scores["soft_vote", metric, ""]["value"] == scores[name, metric, ""]["value"]
    content = json.loads(Path("all/judge.json").read_text())
    assert (content["pairs"], content["prompts"], len(content["scores"])) == (245, 50, len(scores))
    with Path("all/judge.csv").open() as stream:
        assert [float(row["value"]) for row in csv.DictReader(stream)] == [row["value"] for row in scores.values()]
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("best of 4") for line in lines)


@pytest.fixture(scope="module")
def blended(member: tuple[Path, str]) -> list[str]:
    """The arguments that judge two members of a blend, the truth and its reverse, on the pairs that it was made of."""
    corpus = make_corpus(FileSource(path=str(member[0] / "train.csv")), FoldSettings(k=2, seed=1))
    sure = one_hot(corpus.pairs.labels, 3)
    members = (MemberInfo("truth", None, None), MemberInfo("reverse", None, None))
    stack = OOFStack(members, np.stack([sure, swap_outcomes(sure)]), corpus.folds)
    blend = blend_of(BlendInputs(corpus.folds, stack, None, None), [SoftVote()], resamples=10)
    split = OOFStore(member[0] / "other").put_folds(corpus.folds)
    split.put_blend(lambda folder: write_blend(blend, folder))
    return ["data.path=train.csv", "tracking.root=other", "predictors=[truth,reverse]"]


def test_pairs_that_were_blended_are_judged_by_their_honest_predictions(
    blended: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    scores = judged(*blended, "out=train")
    assert scores["truth", "accuracy", ""]["value"] == 1.0
    assert scores["reverse", "accuracy", ""]["value"] == 0.0
    assert "honest predictions" in capsys.readouterr().out
    best = judged(*blended[:2], "predictors=[best,truth]", "out=best")
    assert {judge for judge, _, _ in best} >= {"soft_vote", "truth"}
    assert best["soft_vote", "accuracy", ""]["value"] == judged(*blended[:2])["soft_vote", "accuracy", ""]["value"]


@pytest.mark.slow  # it makes MLflow's database
def test_scores_are_logged_and_a_broken_mlflow_costs_nothing(
    blended: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    scores = judged(*blended, "out=logged", tracking="local")
    tracker = MlflowTracker(Path("other"), "prefens")
    (run,) = tracker.client.search_runs([tracker.experiment_id])
    assert run.data.metrics == {"truth/accuracy": 1.0, "reverse/accuracy": 0.0}
    assert {file.path for file in tracker.client.list_artifacts(run.info.run_id)} == {"judge.csv", "judge.json"}
    Path("other/mlflow.db").write_text("no database")
    assert judged(*blended, "out=broken", tracking="local") == scores
    assert "the results are not logged to MLflow; they are in broken" in caplog.text
    assert Path("broken/judge.json").read_text() == Path("logged/judge.json").read_text()


@pytest.mark.slow
def test_a_judge_whose_time_is_spent_goes_on_to_the_same_bits(member: tuple[Path, str]) -> None:
    arguments = ["data.path=bench.jsonl", f"predictors=[best,{member[1]},oracle.csv]", "tracking=none"]
    whole = judged(*arguments[:2], "out=whole")
    spent = prefens("judge", *arguments, "out=parts", "budget_minutes=1e-9", cwd=member[0], fails=True)
    assert spent.returncode == 75
    assert "the time budget is spent; the same command goes on" in spent.stderr
    assert [path.name for path in Path("parts").iterdir()] == ["judge.unfinished"]
    judged("data.path=bench.jsonl", "predictors=oracle.csv", "out=parts")
    assert Path("parts/judge.unfinished").is_dir()  # files alone leave it as it is
    done = prefens("judge", *arguments, "out=parts", cwd=member[0])
    assert "going on from what parts/judge.unfinished has" in done.stderr
    assert not Path("parts/judge.unfinished").exists()
    assert Path("parts/judge.json").read_text() == Path("whole/judge.json").read_text()
    assert len(json.loads(Path("whole/judge.json").read_text())["scores"]) == len(whole)


def test_other_benchmarks_are_judged_by_source_and_shared_prompts_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pairs = make_pairs(30, seed=3, classes=2)
    judgebench(pairs).assign(source=["mmlu", "code", "math"] * 10).to_parquet("judge-bench.parquet")
    scores = judged("data.path=judge-bench.parquet", "out=jb")
    assert {subset for _, metric, subset in scores if metric == "accuracy"} == {"", "code", "math", "mmlu"}
    assert scores["soft_vote", "accuracy", ""]["value"] > 0.5  # longer answers win here too
    assert "The members were trained on the prompt of 30 of 30 pairs" in capsys.readouterr().out
    pd.read_parquet("judge-bench.parquet").assign(source=["mmlu", ""] * 15).to_parquet("gaps.parquet")
    gaps = judged("data.path=gaps.parquet", "out=jb")
    assert {subset for _, _, subset in gaps} == {""}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_published_benchmarks_are_read_as_they_are(name: str) -> None:
    rows, suffix, counts = BENCHMARKS[name]
    path = write_rows(Path(f"{name}.{suffix}"), rows())
    pairs = load_pairs(path, labelled=False).pairs  # as a judge elsewhere sees them
    a_is_right = np.array([turns[0].startswith(("right", "yes")) for turns in pairs.response_a])
    assert 0.1 < a_is_right.mean() < 0.9
    write_probabilities(Path(f"{name}.csv"), pairs.ids, np.where(a_is_right[:, None], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1]))
    scores = judged(f"data.path='{path}'", f"predictors=['{name}.csv',best]", f"out='{name}'")
    accuracy = {subset: row for (judge, metric, subset), row in scores.items() if (judge, metric) == (name, "accuracy")}
    assert {row["value"] for row in accuracy.values()} == {1.0}
    assert {subset: accuracy[subset]["count"] for subset in counts} == counts
    assert accuracy[""]["count"] == sum(counts.values())
    assert ("soft_vote", "accuracy", "") in scores
    overall = {"RewardBench 1": "RewardBench 1", "RewardBench 2": "mean of subsets", "JudgeBench": "mean of subsets"}
    assert name not in overall or scores[name, overall[name], ""]["value"] == pytest.approx(1.0)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.path"):
        judged()
    with pytest.raises(DataError, match="244 of 245 ids again"):
        judged("data.path=bench.jsonl", "predictors=gaps.csv")
    with pytest.raises(DataError, match="no probabilities of"):
        judged("data.path=train.csv", "predictors=oracle.csv")
    with pytest.raises(StoreError, match="nobody"):
        judged("data.path=bench.jsonl", "predictors=nobody")
