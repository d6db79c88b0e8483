"""The command that scores candidates, with a stored blend and with a member of it."""

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from prefens.core.errors import ConfigError
from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.sources import FileSource
from prefens.members.style import StyleMember
from prefens.runner import config
from prefens.runner.trainer import Trainer
from prefens.score import score
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import make_blend, make_pairs, write_csv


def scored(*overrides: str) -> None:
    with initialize_config_dir(str(config.CONF_DIR), version_base="1.3"):
        score(compose("score", overrides=["tracking=none", *overrides]))  # type: ignore[arg-type]


def test_answers_are_scored_by_a_blend_and_by_its_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    corpus = make_corpus(FileSource(path=str(write_csv(Path("train.csv"), make_pairs(60)))), FoldSettings(k=2))
    split = OOFStore(Path("runs")).put_folds(corpus.folds)
    spec = MemberSpec("style", "style", {}, 0, corpus.folds.data_digest, corpus.folds.digest)
    trainer = Trainer(corpus, split, NoTracker(), Path("runs"))
    trainer.train_member(spec, lambda: StyleMember("style", strengths=[0.01]), range(2))
    make_blend(split, {spec.name: 1.0}, "soft_vote")
    answers = ["no", "the red thing is not very good because of the long list of things", "yes"]
    lines = [
        {"id": "a", "prompt": "Question?", "responses": answers},
        {"id": "b", "prompt": "Question?", "responses": []},
        {"id": "c", "prompt": "Question?", "chosen": [answers[1]], "rejected": ["no"]},
    ]
    Path("candidates.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for out, member in (("blend", []), ("member", [f"member={spec.name}"])):
        scored("data.path=candidates.jsonl", f"out={out}", *member)
        a, b, c = map(json.loads, (Path(out) / "scores.jsonl").read_text().splitlines())
        assert (a["best"], a["pairs"]) == (1, 3)  # longer answers win
        assert b["problem"].startswith("0 answers")
        assert c["chosen"]
    with pytest.raises(ConfigError, match=f"ensemble=worst: {spec.name} has no reward"):
        scored("data.path=candidates.jsonl", "ensemble=worst")
    assert (Path("blend") / "scores.jsonl").read_text() == (Path("member") / "scores.jsonl").read_text()
    said = capsys.readouterr().out
    assert "2 prompts scored by soft_vote, 1 refused" in said
    assert "a chosen one for 100.0% of 1" in said


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"data\.path"):
        scored()
    with pytest.raises(ConfigError, match="max_pairs=0"):
        scored("data.path=x.jsonl", "max_pairs=0")
