"""The wheel works outside the repository, and so does the bundle for machines without internet."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from tests.helpers.examples import make_pairs, write_csv
from tests.helpers.formats import wsdm

PROJECT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


def run(*line: object, cwd: Path, **environment: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, line)],
        cwd=cwd,
        env=os.environ | {name: str(value) for name, value in environment.items()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed wheel; PYTHONPATH puts it before the editable install."""
    folder = tmp_path_factory.mktemp("wheel")
    run("-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, PROJECT, cwd=folder)
    (wheel,) = folder.glob("prefens-*.whl")
    run("-m", "pip", "install", "-q", "--no-deps", "--target", folder / "site", wheel, cwd=folder)
    return folder / "site"


def test_the_wheel_trains_blends_and_predicts(installed: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", make_pairs(80))
    write_csv(tmp_path / "test.csv", make_pairs(10, seed=1), labelled=False)
    where = run(
        "-c",
        "import prefens, prefens.runner.config as c; print(prefens.__file__, c.CONF_DIR)",
        cwd=tmp_path,
        PYTHONPATH=installed,
    )
    assert all(Path(each).is_relative_to(installed) for each in where.split())
    for line in (
        "prefens.train data.path=train.csv backbone=style backbone.strengths=[0.01] tracking=none",
        "prefens.blend tracking=none",
        "prefens.report data.path=train.csv tracking=none",
        "prefens.predict data.path=test.csv",
        "prefens.train data=synthetic data.rows=60 backbone=style tracking=none",
    ):
        run("-m", *line.split(), cwd=tmp_path, PYTHONPATH=installed)
    assert len(pd.read_csv(tmp_path / "submission.csv")) == 10
    assert "<html" in (tmp_path / "report.html").read_text()


def test_the_wheel_has_its_types_and_a_program(installed: Path, tmp_path: Path) -> None:
    assert (installed / "prefens" / "py.typed").exists()
    assert "Groups, as group=option" in run(
        installed / "bin" / "prefens", "blend", "--help", cwd=tmp_path, PYTHONPATH=installed
    )


def test_the_notebook_predicts_from_the_bundle(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", make_pairs(80))
    common = ["data.path=train.csv", "tracking=none"]
    frozen = ["backbone=minilm-l6", "backbone.layer=1", "backbone.max_length=32", "backbone.strengths=[0.1]"]
    run("-m", "prefens.train", *common, "backbone=style", "backbone.strengths=[0.01]", cwd=tmp_path)
    run("-m", "prefens.train", *common, *frozen, cwd=tmp_path)
    run("-m", "prefens.blend", "tracking=none", cwd=tmp_path)
    run("-m", "prefens.kaggle", "method=soft_vote", "packages=[]", "out=input/bundle", cwd=tmp_path)
    about = json.loads((tmp_path / "input/bundle/prefens-bundle.json").read_text())
    assert len(about["members"]) == 2
    assert not list((tmp_path / "input").rglob("predictions.parquet"))

    data = tmp_path / "data"  # Kaggle's inputs are links at times
    data.mkdir()
    (tmp_path / "input" / "llm-classification-finetuning").symlink_to(data)
    write_csv(data / "test.csv", make_pairs(10, seed=1), labelled=False)
    (tmp_path / "input" / "bundle").rename(tmp_path / "bundle")
    (tmp_path / "input" / "bundle").symlink_to(tmp_path / "bundle")
    for name in ("a-copy", "titanic"):
        (tmp_path / "input" / name).mkdir()
    write_csv(tmp_path / "input" / "a-copy" / "test.csv", make_pairs(20, seed=2), labelled=False)
    (tmp_path / "input" / "titanic" / "test.csv").write_text("PassengerId,Pclass\n1,3\n")
    notebook = json.loads((tmp_path / "input/bundle/prefens-submission.ipynb").read_text())
    program = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    work = tmp_path / "working"
    work.mkdir()
    site = tmp_path / "site"
    said = run("-c", program, cwd=work, PREFENS_INPUT=tmp_path / "input", PIP_TARGET=site, PYTHONPATH=site)
    assert "titanic/test.csv: no test file: it lacks the columns id, prompt, response_a, response_b" in said
    assert f"predicting {tmp_path}/input/llm-classification-finetuning/test.csv" in said
    assert (site / "prefens").is_dir()
    frame = pd.read_csv(work / "submission.csv")
    assert len(frame) == 10
    run("-m", "prefens.predict", "data.path=data/test.csv", "method=soft_vote", cwd=tmp_path)
    assert frame.equals(pd.read_csv(tmp_path / "submission.csv"))


def test_the_notebook_predicts_the_wsdm_cups_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Kaggle runs it: a kernel, the inputs as links, nothing installed from elsewhere."""
    pairs, test = make_pairs(80, classes=2), make_pairs(10, seed=1)
    wsdm(pairs).to_parquet(tmp_path / "train.parquet")
    common = ["data.path=train.parquet", "tracking=none"]
    run("-m", "prefens.train", *common, "backbone=style", "backbone.strengths=[0.01]", "full=true", cwd=tmp_path)
    (member,) = (path.name for path in tmp_path.glob("runs/store/*/members/*"))
    run("-m", "prefens.kaggle", f"method={member}", "packages=[]", "out=mounted/bundle", cwd=tmp_path)
    assert len([*(tmp_path / "mounted").rglob("run.json")]) == 1  # the member alone: its full fit
    for name in ("input", "mounted/wsdm-cup-multilingual-chatbot-arena", "working"):
        (tmp_path / name).mkdir()
    for mounted in (tmp_path / "mounted").iterdir():
        (tmp_path / "input" / mounted.name).symlink_to(mounted)
    data = tmp_path / "input" / "wsdm-cup-multilingual-chatbot-arena"
    wsdm(test).drop(columns="winner").assign(scored=True).to_parquet(data / "test.parquet")
    for name, path in {"PREFENS_INPUT": "input", "PIP_TARGET": "site", "PYTHONPATH": "site"}.items():
        monkeypatch.setenv(name, str(tmp_path / path))
    notebook = nbformat.read(tmp_path / "input/bundle/prefens-submission.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path / "working")}}).execute()
    frame = pd.read_csv(tmp_path / "working" / "submission.csv", dtype=str)
    assert frame.id.tolist() == test.ids.tolist()
    assert [*frame] == ["id", "winner"]
    assert {*frame.winner} <= {"model_a", "model_b"}
    own = [f"method={member}", f"data.path={data}/test.parquet", "tracking=none"]
    run("-m", "prefens.predict", *own, cwd=tmp_path)
    assert frame.equals(pd.read_csv(tmp_path / "submission.csv", dtype=str))
