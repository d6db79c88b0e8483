"""Every option of every group composes and builds, and shows all the settings that its class has."""

from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf, open_dict

from prefens.data.folds import FoldSettings
from prefens.data.sources import Source
from prefens.data.text.settings import PLAIN, TextSettings
from prefens.members.base import Member
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.nn.lora import LoraSettings
from prefens.members.nn.pairing import Pairing, PairingSettings
from prefens.members.training.settings import TrainingSettings
from prefens.runner import config
from prefens.runner.builders import recipe_of
from prefens.runner.schemas import TrainConfig
from prefens.store.tracking.factory import Tracking

HUB = {
    "bert-base-uncased": "google-bert/bert-base-uncased",
    "roberta-base": "FacebookAI/roberta-base",
    "multilingual-e5-small": "intfloat/multilingual-e5-small",
    "deberta-v3-xsmall": "microsoft/deberta-v3-xsmall",
}
CAUSAL = {
    "qwen2.5-0.5b": "Qwen/Qwen2.5-0.5B-Instruct",
    "qwen2.5-7b": "Qwen/Qwen2.5-7B-Instruct",
    "gemma-2-9b": "google/gemma-2-9b-it",
    "llama-3.1-8b": "meta-llama/Llama-3.1-8B-Instruct",
    "smollm2-135m": "HuggingFaceTB/SmolLM2-135M-Instruct",
}
BACKBONES = sorted(path.stem for path in config.CONF_DIR.glob("backbone/*.yaml"))
NEEDED = {"hub": ["backbone.name=some/encoder"]}  # settings that a backbone has no default for
EXPERIMENTS = sorted(path.stem for path in config.CONF_DIR.glob("experiment/*.yaml"))


def composed(*overrides: str, name: str = "train") -> TrainConfig:
    with initialize_config_dir(str(config.CONF_DIR), version_base="1.3"):
        return compose(name, overrides=list(overrides))  # type: ignore[return-value]


def test_the_promised_backbones_exist() -> None:
    assert {*HUB, *CAUSAL, "minilm-l6", "wordllama", "tfidf", "style", "textcnn"} <= {*BACKBONES}
    for name, hub in (HUB | CAUSAL).items():
        assert composed(f"backbone={name}").backbone.name == hub


@pytest.mark.parametrize("command", ["train", "tune"])
@pytest.mark.parametrize("name", CAUSAL)
def test_a_causal_backbone_brings_its_training_pairing_and_text_and_the_command_line_wins(
    command: str, name: str
) -> None:
    own = composed(f"backbone={name}", name=command)
    assert (own.training.mode, own.pairing.kind) == ("lora", "cross")
    assert config.build(own.text, TextSettings).template == PLAIN
    given = ["training=frozen", "pairing=siamese", "text=default", f"backbone={name}"]
    wanted = composed(*given, name=command)
    assert (wanted.training.mode, wanted.pairing.kind, wanted.text.max_length) == ("frozen", "siamese", 512)
    default = config.build(wanted.text, TextSettings)
    assert [default.resolved(causal).prompt_share for causal in (True, False)] == [0.2, 0.35]
    chosen = config.build(composed(*given, "text.prompt_share=0.35", name=command).text, TextSettings)
    assert chosen.resolved(causal=True).prompt_share == 0.35
    assert composed("experiment=keras-starter", f"backbone={name}", name=command).head.kind == "linear"


@pytest.mark.parametrize("name", BACKBONES)
def test_backbones_build_and_show_every_setting(name: str) -> None:
    settings = composed(f"backbone={name}", *NEEDED.get(name, []))
    member = config.build_member(settings)
    assert isinstance(member, Member)
    shown = {key for key in settings.backbone if key != "_target_"}
    assert shown == {item.name for item in fields(type(member))} - {*config.RECIPE_GROUPS}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("group", "kinds", "settings"), [("head", HeadKind, HeadSettings), ("pairing", Pairing, PairingSettings)]
)
def test_every_kind_has_an_option_of_its_name_that_shows_every_setting(group: str, kinds: Any, settings: Any) -> None:
    assert {path.stem for path in config.CONF_DIR.glob(f"{group}/*.yaml")} == {kind.name for kind in kinds}
    for kind in kinds:
        node = composed("backbone=bert-base-uncased", f"{group}={kind.name}")[group]  # type: ignore[index]
        assert {*node} == {item.name for item in fields(settings)}
        assert config.build(node, settings).kind is kind


@pytest.mark.parametrize("name", BACKBONES)
def test_recipes_hold_what_decides_predictions_and_no_places(name: str) -> None:
    backbone = [f"backbone={name}", *NEEDED.get(name, [])]
    plain = recipe_of(config.build_member(composed(*backbone)))
    elsewhere = composed(*backbone, "tracking.root=/elsewhere", "threads=3", "out=/tmp/x", "seed=5")
    moved = recipe_of(config.build_member(elsewhere))
    assert plain == moved
    assert "path" not in plain
    assert {"save", "checkpoint_minutes", "gradient_checkpointing", "guard"} & set(plain.get("training", {})) == set()
    assert ("training" in plain) == (name in (*HUB, *CAUSAL, "hub", "textcnn"))
    changed = recipe_of(config.build_member(composed(*backbone, "text.max_length=64")))
    assert (changed != plain) == ("text" in plain)


@pytest.mark.parametrize("name", sorted(path.stem for path in config.CONF_DIR.glob("data/*.yaml")))
def test_data_sources_build(name: str) -> None:
    assert isinstance(config.build(composed(f"data={name}").data), Source)


@pytest.mark.parametrize("name", sorted(path.stem for path in config.CONF_DIR.glob("folds/*.yaml")))
def test_folds_build(name: str) -> None:
    settings = config.build(composed(f"folds={name}").folds, FoldSettings)
    assert settings == FoldSettings(scheme=settings.scheme, k=None if name == "source" else 5)
    assert settings.scheme.name == name


@pytest.mark.parametrize("name", ["decoder-small", "decoder-9b"])
def test_an_experiment_takes_what_its_backbone_brings_and_the_command_line_wins(name: str) -> None:
    own = composed(f"experiment={name}")
    assert (own.training.mode, own.pairing.kind, own.head.kind) == ("lora", "cross", "mlp")
    assert config.build(own.text, TextSettings).template == PLAIN
    assert own.training.lora.rank == 16
    wanted = composed("training=frozen", "pairing=siamese", "text=chat", "head=davidson", f"experiment={name}")
    assert (wanted.training.mode, wanted.pairing.kind, wanted.head.kind) == ("frozen", "siamese", "davidson")
    assert wanted.text.template.chat


def test_a_backbone_may_bring_a_head(tmp_path: Path) -> None:
    """As any group that stands before it in the defaults."""
    (tmp_path / "backbone").mkdir()
    (tmp_path / "backbone" / "own.yaml").write_text(
        "defaults:\n  - hub\n  - override /head@_global_.head: cnn\n  - _self_\nname: some/model\n"
    )
    searched = f"hydra.searchpath=[file://{tmp_path}]"
    assert composed(searched, "backbone=own").head.kind == "cnn"
    assert composed(searched, "backbone=own", "head=mlp").head.kind == "mlp"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiments_compose(name: str) -> None:
    settings = composed(f"experiment={name}")
    assert isinstance(config.build_member(settings), Member)


@pytest.mark.parametrize("name", ["keras-starter", "deberta-notebook", "group3", "cnn-seeds"])
def test_recipes_of_others_read_no_style_features(name: str) -> None:
    assert not composed(f"experiment={name}").head.style
    assert composed().head.style is None  # true of all heads but rewards


@pytest.mark.parametrize("name", sorted(path.stem for path in config.CONF_DIR.glob("*.yaml")))
def test_commands_compose(name: str) -> None:
    settings = composed(name=name)
    if name != "convert":  # which reads and writes files alone
        assert config.build(settings.tracking, Tracking) == Tracking("runs", "prefens", True)


def test_a_setting_may_not_share_its_name_with_a_group() -> None:
    groups = {path.name for path in config.CONF_DIR.iterdir() if path.is_dir() and any(path.glob("*.yaml"))} - {"hydra"}
    settings = composed()
    scalars = {key for key, value in settings.items() if not OmegaConf.is_config(value)} - {"experiment"}  # type: ignore[attr-defined]
    assert groups & scalars == set()
    assert groups & {"members", "labels", "out"} == set()


def test_wrong_types_and_unknown_fields_are_refused() -> None:
    from prefens.core.errors import ConfigError

    for wrong in (
        {"_target_": "prefens.members.tfidf.TfidfMember", "name": "x", "bits": "ten"},
        {"_target_": "no.such"},
    ):
        with pytest.raises(ConfigError):
            config.build(OmegaConf.create(wrong))


def test_a_backbone_of_the_hub_needs_a_name() -> None:
    from prefens.core.errors import ConfigError

    with pytest.raises(ConfigError, match=r"backbone\.name|name"):
        config.build_member(composed("backbone=hub"))


def test_conf_is_found() -> None:
    assert (config.CONF_DIR / "train.yaml").is_file()
    assert Path(config.CONF_DIR).name == "conf"


@pytest.mark.parametrize("name", sorted(path.stem for path in config.CONF_DIR.glob("training/*.yaml")))
def test_trainings_build_and_show_every_setting(name: str) -> None:
    shown = composed(f"training={name}", "backbone=bert-base-uncased").training
    built = config.build(shown, TrainingSettings)
    assert built.mode.name == name
    assert set(shown) == {item.name for item in fields(TrainingSettings)}
    assert set(shown.lora) == {item.name for item in fields(LoraSettings)}


def test_what_is_changed_in_settings_stays_out_of_the_next_ones() -> None:
    """Hydra's store of schemas is shared and not copied: what is taken from it must be a copy."""
    assert deepcopy(ConfigStore.instance()) is ConfigStore.instance()
    before, changed = composed(), composed()
    with open_dict(changed):  # type: ignore[arg-type]
        changed.seed, changed.tracking.root = 99, "/elsewhere"
    assert composed() == before != changed


def test_settings_that_a_backbone_does_not_read_are_named() -> None:
    given = ["backbone=style", "head=davidson", "training.lr=1", "+text.turns=3", "seed=1"]
    assert config.unused_overrides(composed("backbone=style"), given) == [
        "head=davidson",
        "training.lr=1",
        "+text.turns=3",
    ]
    assert config.unused_overrides(composed("backbone=bert-base-uncased"), given) == []
