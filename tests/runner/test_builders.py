"""Equal recipes have equal digests, whatever joins the settings later; randomness derives from seed and folds alone."""

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from prefens.core.errors import ConfigError
from prefens.core.fold_run import RunKey
from prefens.core.hashing import NOT_IDENTITY, digest, identity_fields, neutral, short
from prefens.members.base import Member
from prefens.members.network import NetworkMember
from prefens.members.registry import BUILT_IN, class_of, kinds
from prefens.runner import config
from prefens.runner.builders import folds_to_train, recipe_of
from prefens.runner.schemas import TrainConfig

ENCODER, CAUSAL = "backbone=bert-base-uncased", "backbone=smollm2-135m"
# A digest that changes here has every member of that recipe trained again: it is a change of the format, and is told
# in the changelog. A new setting declares its neutral value instead.
DIGESTS = {
    ("backbone=style",): "a0c24056ee15",
    ("backbone=style-boosting",): "fb69079e444f",
    ("backbone=tfidf",): "d17b9d19393b",
    ("backbone=minilm-l6",): "a53cb852fb85",
    ("backbone=minilm-l6", "backbone.precision=int8"): "5b44a0b6746a",
    ("backbone=wordllama",): "4e42c7b67aac",
    ("backbone=textcnn",): "d2a802b84520",
    ("backbone=roberta-base",): "eb059f1121ed",
    ("backbone=hub", "backbone.name=some/encoder"): "7cccba8f6576",
    (ENCODER,): "2162eb59c4c8",
    (ENCODER, "training=frozen"): "b0cf52a6db6e",
    (ENCODER, "training=lora"): "24bf0f9f0458",
    (ENCODER, "pairing=cross", "head=mlp"): "d1e373c49e6c",
    (ENCODER, "head=davidson", "text.max_length=256"): "e9017f8c4eee",
    ("experiment=deberta-notebook",): "0c1197c5e51f",
    (CAUSAL,): "aa2d0db3e40e",
    (CAUSAL, "text=chat", "training=frozen"): "9f7d396d3c98",
    (CAUSAL, "head=mlp", "pairing.second_order_below=0.2"): "7f96c6c21ae0",
    (CAUSAL, "pairing=siamese", "head=davidson", "backbone.reward=true"): "39a877f5032f",
}


def recipe(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(config.CONF_DIR), version_base="1.3"):
        member = config.build_member(compose("train", overrides=list(overrides)))  # type: ignore[arg-type]
    if isinstance(member, NetworkMember):
        member.resolve_settings(causal=CAUSAL in overrides)
    return recipe_of(member)


@pytest.mark.parametrize("overrides", DIGESTS, ids=" ".join)
def test_digests_of_recipes_stay(overrides: tuple[str, ...]) -> None:
    assert short(digest(recipe(*overrides))) == DIGESTS[overrides]


def test_recipes_of_different_settings_have_different_digests() -> None:
    assert len({digest(recipe(*overrides)) for overrides in DIGESTS}) == len(DIGESTS)


class Choice(Enum):
    one = "1"
    two = "2"


@dataclass
class Inner:
    size: int = 1


@dataclass
class Old:
    choice: Choice = Choice.one
    inner: Inner = field(default_factory=Inner)


@dataclass
class New(Old):
    """With a field and a group that joined later, whose defaults have changed since."""

    rate: float = field(default=0.5, metadata=neutral(0.0))
    group: Inner = field(default_factory=lambda: Inner(3), metadata=neutral({"size": 2}))


def test_a_field_or_group_that_joined_later_changes_no_digest_at_its_neutral_value() -> None:
    assert identity_fields(Old()) == {"choice": "one", "inner": {"size": 1}}
    assert identity_fields(New(rate=0.0, group=Inner(2))) == identity_fields(Old())
    assert identity_fields(New()) == {**identity_fields(Old()), "rate": 0.5, "group": {"size": 3}}


@dataclass
class Elsewhere(Old):
    path: str = field(default="here", metadata=NOT_IDENTITY)


def test_a_field_that_decides_no_prediction_is_no_identity() -> None:
    assert identity_fields(Elsewhere(path="there")) == identity_fields(Old())


def test_a_version_of_a_kind_joins_recipes_and_caches_when_it_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    before, cache = recipe("backbone=style"), class_of("style").cache_signature("x")
    assert before["kind"] == "style"
    assert "kind_version" not in before
    monkeypatch.setattr(class_of("style"), "version", 2)
    assert recipe("backbone=style") == {**before, "kind_version": 2}
    assert class_of("style").cache_signature("x") != cache


@pytest.mark.parametrize("kind", BUILT_IN)
def test_a_word_names_its_class(kind: str) -> None:
    assert issubclass(class_of(kind), Member)
    assert class_of(kind).kind == kind
    assert kind in kinds()


def test_a_kind_is_no_path_of_a_module() -> None:
    with pytest.raises(KeyError):
        class_of("prefens.members.style.StyleMember")


def test_randomness_derives_from_seed_fold_and_folds_alone() -> None:
    key = RunKey("recipe", 0, 1, "data", "folds")
    for change in ({"recipe_digest": "other"}, {"data_digest": "other"}, {"format_version": 99}):
        assert replace(key, **change).random_seed == key.random_seed  # type: ignore[arg-type]
    for change in ({"seed": 1}, {"fold": 2}, {"fold_digest": "other"}):
        assert replace(key, **change).random_seed != key.random_seed  # type: ignore[arg-type]
    assert 0 <= key.random_seed < 2**32


def test_a_full_fit_comes_after_all_folds() -> None:
    assert folds_to_train(TrainConfig(full=True), 3) == [0, 1, 2]
    assert folds_to_train(TrainConfig(fold=1), 3) == [1]
    for wrong in (TrainConfig(full=True, fold=1), TrainConfig(fold=3), TrainConfig(early_discard=0.0)):
        with pytest.raises(ConfigError, match=r"full=true|fold=3|early_discard=0"):
            folds_to_train(wrong, 3)
