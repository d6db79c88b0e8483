"""backbones=DIR: what a sweep or a search lacks is named before anything is trained."""

from pathlib import Path

from tests.helpers.commands import prefens
from tests.helpers.examples import make_tiny_encoder

SMALL = ["data=synthetic", "data.rows=40", "folds.k=2", "text.max_length=64", "tracking=none"]


def test_a_sweep_names_all_backbones_that_are_missing_and_trains_none(tmp_path: Path) -> None:
    make_tiny_encoder("bert", tmp_path / "models" / "bert-base-uncased")
    names = "backbone=tfidf,bert-base-uncased,roberta-base,deberta-v3-xsmall"
    done = prefens("train", "-m", names, "seed=0,1", "backbones=models", *SMALL, cwd=tmp_path, fails=True)
    assert done.returncode == 1
    for missing in ("FacebookAI/roberta-base", "microsoft/deberta-v3-xsmall"):
        assert done.stderr.count(f"backbone {missing}:") == 1
    assert "bert-base-uncased:" not in done.stderr
    assert "nothing was trained" in done.stderr
    assert not (tmp_path / "runs" / "store").exists()


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    done = prefens("train", "backbone=tfidf", "backbones=nowhere", *SMALL, cwd=tmp_path, fails=True)
    assert "backbones=nowhere: no such folder" in done.stderr
