"""Every recipe under conf/experiment runs through the real commands, at a tiny size, and its members blend.

A new experiment is run as it is; a pretrained backbone that it names needs its family here.
"""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hydra import compose, initialize_config_dir

from prefens.runner import config
from tests.helpers.commands import COLUMNS, prefens
from tests.helpers.decoders import make_tiny_decoder
from tests.helpers.examples import make_pairs, make_tiny_encoder, write_csv

FAMILY_OF = {
    "bert-base-uncased": "bert", "roberta-base": "roberta", "multilingual-e5-small": "xlm-roberta",
    "deberta-v3-xsmall": "deberta-v2",
}  # fmt: skip
DECODERS = {"qwen2.5-0.5b": "qwen2", "gemma-2-9b": "gemma2", "llama-3.1-8b": "llama"}
WITHOUT_CUDA = {"decoder-9b": ["backbone.quant=null"]}  # what a CPU needs
OF_FILES = ("group3", "decoder-small")  # that are run as their first lines say
LONGEST = 128  # tokens
EXPERIMENTS = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in config.CONF_DIR.glob("experiment/*.yaml")}


def backbones_of(recipe: dict) -> list[str]:
    """Return the backbones that an experiment sweeps over, or the one it trains."""
    swept = recipe.get("hydra", {}).get("sweeper", {}).get("params", {}).get("backbone")
    if swept is not None:
        return [name.strip() for name in swept.split(",")]
    chosen = [item["override /backbone"] for item in recipe.get("defaults", []) if "override /backbone" in item]
    return chosen or ["tfidf"]


def make_model(backbone: str, folder: Path) -> None:
    """Write a tiny model in place of a pretrained backbone; nothing for others."""
    with initialize_config_dir(str(config.CONF_DIR), version_base="1.3"):
        node = compose("train", [f"backbone={backbone}"]).backbone
    if node._target_.endswith(".EncoderMember"):
        assert backbone in FAMILY_OF | DECODERS, f"give {backbone} a family"
        make = make_tiny_decoder if backbone in DECODERS else make_tiny_encoder
        make((FAMILY_OF | DECODERS)[backbone], folder / node.name.rpartition("/")[2])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_an_experiment_trains_and_its_members_blend(name: str, tmp_path: Path) -> None:
    source = ["data=synthetic", "data.rows=60"]
    if name in OF_FILES:
        write_csv(tmp_path / "train.csv", make_pairs(60))
        source = ["data.path=train.csv"]
    small = [*source, "folds.k=2", "training.epochs=1", f"text.max_length={LONGEST}"]
    stored = ["tracking=none", "tracking.root=runs"]
    (tmp_path / "models").mkdir()
    for backbone in backbones_of(EXPERIMENTS[name]):
        make_model(backbone, tmp_path / "models")
    own = WITHOUT_CUDA.get(name, [])
    prefens("train", "-m", f"experiment={name}", "backbones=models", *small, *stored, *own, cwd=tmp_path)
    prefens("blend", "blender=soft_vote", *stored, cwd=tmp_path)
    blend = json.loads((tmp_path / "blend.json").read_text())
    seeds = str(EXPERIMENTS[name].get("hydra", {}).get("sweeper", {}).get("params", {}).get("seed", "0")).split(",")
    assert len(blend["members"]) == len(backbones_of(EXPERIMENTS[name])) * len(seeds)
    assert [method["method"] for method in blend["methods"]] == ["soft_vote"]
    (tmp_path / "models").rename(tmp_path / "moved")
    given = ["data=synthetic", "data.rows=10", "data.seed=1", "tracking.root=runs", "backbones=moved"]
    prefens("predict", *given, cwd=tmp_path)
    assert [*pd.read_csv(tmp_path / "submission.csv").columns] == COLUMNS
