"""What Hydra refuses: each error names what came, the names or values there are, and what to do."""

import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.errors import MissingConfigException

from prefens import tune
from prefens.core.errors import ConfigError
from prefens.runner import app, config
from prefens.runner.command_line.refusals import LAUNCHERS, refusal
from prefens.runner.schemas import TuneConfig
from prefens.runner.teaching.settings import TeacherConfig

CASES = {
    "backbone.bit=16": ("backbone.bit=16", "a setting of backbone: bits, "),
    "bakcbone=tfidf": ("bakcbone=tfidf", "a setting of train: backbone, "),
    "data_path=a.csv": ("data_path=a.csv", "a setting of train: data.path, "),
    "head.hiden=3": ("head.hiden=3", "a setting of head: hidden, "),
    "max_length=64": ("max_length=64", "a setting of train: text.max_length, "),
    "hydra.sweep.dri=3": ("hydra.sweep.dri=3", "a setting of Hydra"),
    "backbone=tfidff": ("backbone=tfidff", "an option of backbone: tfidf, "),
    "seed=abc": ("seed=abc: Value 'abc' of type 'str' could not be converted to Integer", "seed: a whole number"),
    "fold=x": ("fold=x: Value 'x' of type 'str' could", "fold: a whole number, or null"),
    "backbone=style,tfidf": ("backbone=style,tfidf", "one value"),
    "~nothing": ("Could not delete from config. 'nothing'", "groups and settings that compose"),
}


def refused(*overrides: str) -> ConfigError:
    with initialize_config_dir(str(config.CONF_DIR), version_base="1.3"), pytest.raises(Exception) as caught:
        compose("train", overrides=list(overrides))
    error = refusal("train", overrides, caught.value)
    assert error is not None
    return error


@pytest.mark.parametrize("override", CASES)
def test_what_is_refused_is_named_with_the_nearest_first(override: str) -> None:
    error = refused("backbone=tfidf" if override.startswith("backbone.") else "seed=1", override)
    came, expected = CASES[override]
    assert error.came.startswith(came)
    assert error.expected.startswith(expected)
    assert "-m" in error.do
    assert "struct" not in str(error)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_launcher_without_its_package_names_the_extra(launcher: str) -> None:
    error = refusal("train", (), MissingConfigException("Could not load", f"hydra/launcher/{launcher}"))
    assert error is not None
    package, extra = LAUNCHERS[launcher]
    assert error.came == f"the package {package} is not installed"
    extras = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert any(item.startswith(package) for item in extras[extra])
    assert error.do == f"pip install 'prefens[{extra}]'"


@pytest.mark.parametrize("launcher", ["processes", "queue", "ray_cluster", "slurm"])
def test_every_launcher_of_conf_is_known(launcher: str) -> None:
    base = yaml.safe_load((config.CONF_DIR / f"hydra/launcher/{launcher}.yaml").read_text())["defaults"]
    assert {*base} <= {*LAUNCHERS}


def test_tune_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "prefens.runner.search", raising=False)
    with pytest.raises(ConfigError, match=r"optuna is not installed(?s:.*)pip install 'prefens\[tune\]'"):
        tune.tune(TuneConfig())


def test_a_misspelt_setting_ends_a_command_without_hydras_words(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["prefens.train", "backbone=tfidf", "backbone.bit=16"])
    with pytest.raises(SystemExit) as caught:
        app.run("train", lambda _: [])
    assert str(caught.value).startswith("\nfailed: backbone.bit=16\n  expected: a setting of backbone: bits, ")
    assert "HYDRA" not in "".join(capfd.readouterr())


def test_values_of_a_part_are_named_by_their_field() -> None:
    with initialize_config_dir(str(config.CONF_DIR), version_base="1.3"):
        settings = compose("train", overrides=["teacher.scheme=nest"])
    with pytest.raises(ConfigError) as caught:
        config.build(settings.teacher, TeacherConfig)
    assert caught.value.expected == "teacher.scheme: one of oof, nested"
