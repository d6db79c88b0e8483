"""The command that compares two answers, from a file and from stdin."""

import io
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_dir

from prefens.compare import compare
from prefens.core.errors import ConfigError, DataError
from prefens.core.types import Floats, Pairs
from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.sources import FileSource
from prefens.inference.comparison import SMALLEST, Comparison
from prefens.members.style import StyleMember, StyleModel
from prefens.runner import config
from prefens.runner.trainer import Trainer
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import make_blend, make_pairs, write_csv

ROWS = [
    {"id": "p", "prompt": "Question?", "a": "# Head\n\nthe red thing is **not** very good because of so", "b": "no"},
    {"id": "q", "prompt": "Question?", "a": "no", "b": None},
]


def compared(*overrides: str) -> list[dict[str, object]]:
    with initialize_config_dir(str(config.CONF_DIR), version_base="1.3"):
        return list(compare(compose("compare", overrides=["tracking=none", *overrides])))  # type: ignore[arg-type]


def test_two_answers_are_compared_by_the_blend_and_each_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    corpus = make_corpus(FileSource(path=str(write_csv(Path("train.csv"), make_pairs(60)))), FoldSettings(k=2))
    split = OOFStore(Path("runs")).put_folds(corpus.folds)
    weights = {}
    for model, settings in ((StyleModel.logistic, {"strengths": [0.1]}), (StyleModel.boosting, {"rounds": 5})):
        spec = MemberSpec("style", "style", {"m": model.name}, 0, corpus.folds.data_digest, corpus.folds.digest)
        trainer = Trainer(corpus, split, NoTracker(), Path("runs"))
        trainer.train_member(spec, partial(StyleMember, "style", model, **settings), range(2))
        weights[spec.name] = 0.5
    make_blend(split, weights, "soft_vote")
    text = "\n".join([*map(json.dumps, ROWS), "{broken"])
    Path("rows.jsonl").write_text(text)
    predict, asked = StyleMember.predict_proba, list[str]()

    def counted(member: StyleMember, pairs: Pairs) -> Floats:
        asked.append(member.model.name)
        return predict(member, pairs)

    with monkeypatch.context() as patched:
        patched.setattr(StyleMember, "predict_proba", counted)
        first, second, third = compared("data.path=rows.jsonl", "out=here")
    assert sorted(asked) == ["boosting"] * 2 + ["logistic"] * 2  # each fold model once
    assert first["probabilities"][0] > first["probabilities"][1]  # type: ignore[index]
    assert sorted(first["members"]) == sorted(weights)  # type: ignore[call-overload]
    means = [sum(own) / 2 for own in zip(*first["members"].values(), strict=True)]  # type: ignore[attr-defined]
    assert first["probabilities"] == pytest.approx(means)
    assert first["style"]["headings"] == first["style"]["bold"] == 1.0  # type: ignore[index]
    (linear,) = first["contributions"]  # type: ignore[misc]
    assert linear == next(iter(weights))
    sizes = [abs(value) for value in first["contributions"][linear].values()]  # type: ignore[index]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] >= SMALLEST
    assert not second["problem"]  # no answer is an empty one
    assert third["problem"]
    written = (Path("here") / "comparisons.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in written] == [first, second, third]
    said = capsys.readouterr().out
    assert "p: A wins" in said
    assert "for A: " in said
    assert "3: not compared" in said
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    assert compared("data.path=-") == [first, second, third]


def test_counts_are_shown_where_no_style_member_is_linear() -> None:
    row = Comparison("p", [0.5, 0.3, 0.2], style={"length": 0.5, "bold": -1.0})
    assert "more: words A 50%, bold B 100%" in row.as_text("soft_vote")
    text = replace(row, contributions={"m": {"log_lines": 0.31, "terse": -0.2}}).as_text("soft_vote")
    assert "for A: log lines 0.31; for B: terse 0.20 (m, log odds)" in text
    assert "more:" not in text


def test_what_is_no_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.path"):
        compared()
    (tmp_path / "x.jsonl").write_text('{"prompt": "Why?", "a": "b"}')
    with pytest.raises(DataError, match="prompt, a and b"):
        compared(f"data.path={tmp_path / 'x.jsonl'}")
