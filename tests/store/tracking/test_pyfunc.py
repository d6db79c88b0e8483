"""The model's requirements are pinned and follow the project's own."""

import re
import tomllib
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from prefens.store.tracking.pyfunc import REQUIREMENTS, write_model

UNUSED = {"accelerate", "jinja2", "matplotlib", "rich", "starlette", "uvicorn"}  # training, reports, tables, the server


def test_every_dependency_is_a_requirement_unless_no_prediction_needs_it() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=\[]", line)[0] for line in project["dependencies"]}
    assert {*REQUIREMENTS} == names - UNUSED


def test_a_written_model_is_complete_and_pins_what_is_installed(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    def save(folder: Path) -> None:
        folder.mkdir()
        (folder / "weights.json").write_text("[0.5]")

    loader = "prefens.inference.saved_model"
    write_model(tmp_path / "model", save, loader, "data", pd.DataFrame([{"text": "a"}]), ["value"])
    described = mlflow.models.Model.load(tmp_path / "model")
    flavor = described.flavors["python_function"]
    assert (flavor["loader_module"], flavor["data"], flavor["code"]) == (loader, "data", "code")
    assert described.signature.inputs.required_input_names() == ["text"]
    assert described.saved_input_example_info is not None
    pins = (tmp_path / "model" / "requirements.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[a-z-]+==[^+]+", pin) for pin in pins)
    assert not list((tmp_path / "model").rglob("__pycache__"))
    assert capfd.readouterr() == ("", "")
