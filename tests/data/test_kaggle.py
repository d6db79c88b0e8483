"""data=kaggle: through the package `kagglehub`, whose requests are answered here."""

import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from hydra import compose, initialize_config_dir

from prefens.core.errors import ConfigError, DataError
from prefens.data.kaggle import KaggleSource, choose_file
from prefens.data.load import load_pairs
from prefens.runner.config import CONF_DIR, build
from tests.helpers.examples import make_pairs, write_csv
from tests.helpers.formats import format_bytes, one_hot, verdicts, wsdm

pytest.importorskip("kagglehub")

Answer = Callable[[requests.PreparedRequest], requests.Response]
TOKEN = {"KAGGLE_USERNAME": "ada", "KAGGLE_KEY": "k3y"}


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer | None], None]:
    """Returns what sets the answer to all requests: with a token, or none and no token."""
    for name in ("KAGGLE_API_TOKEN", *TOKEN):
        monkeypatch.delenv(name, raising=False)
    for name in ("KAGGLEHUB_CACHE", "KAGGLE_CONFIG_DIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))

    def set_answer(respond: Answer | None) -> None:
        def send(self: requests.Session, request: requests.PreparedRequest, **_: Any) -> requests.Response:
            assert respond is not None
            response = respond(request)
            response.request, response.url = request, str(request.url)
            return response

        monkeypatch.setattr(requests.Session, "send", send)
        monkeypatch.setattr("kagglehub.clients.get_user_agent", lambda: "kagglehub")  # it looks at all frames: slow
        for name, value in (TOKEN if respond else {}).items():
            monkeypatch.setenv(name, value)

    return set_answer


def status(code: int, content: bytes = b"{}") -> Answer:
    def respond(_: requests.PreparedRequest) -> requests.Response:
        response = requests.Response()
        response.status_code, response.raw = code, io.BytesIO(content)
        response.headers["Content-Length"] = str(len(content))
        return response

    return respond


def unreachable(_: requests.PreparedRequest) -> requests.Response:
    raise requests.ConnectionError("no route to host")


def slow(_: requests.PreparedRequest) -> requests.Response:
    raise requests.ConnectTimeout("timed out")


def archive(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, content in files.items():
            made.writestr(name.replace("__", "."), content)
    return stream.getvalue()


@pytest.mark.parametrize(("table", "kind"), [(one_hot, "csv"), (wsdm, "parquet")])
def test_the_train_file_is_fetched_once_by_the_settings_of_the_command(
    answer: Callable[[Answer | None], None], table: Callable[..., Any], kind: str
) -> None:
    pairs = make_pairs(12)
    test = table(pairs).rename(columns={"winner": "scored"}).head(3)
    files = {f"train__{kind}": format_bytes(table(pairs), kind), f"test__{kind}": format_bytes(test, kind)}
    answer(status(200, archive(**files, sample_submission__csv=b"id\n1\n")))
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        source: KaggleSource = build(
            compose("train", overrides=["data=kaggle", "data.name=llm-classification-finetuning"]).data
        )
    assert verdicts(source.load().pairs) == verdicts(pairs)
    answer(unreachable)
    assert verdicts(source.load().pairs) == verdicts(pairs)
    assert source.load(labelled=False).ids.tolist() == pairs.ids[:3].tolist()


@pytest.mark.parametrize(
    ("respond", "came", "do"),
    [
        (None, "no Kaggle token", "kaggle.com/settings"),
        (status(401), "refuses the token", "kaggle.com/settings"),
        (status(403), "does not give the files of wsdm-cup", "competitions/wsdm-cup/rules"),
        (status(404), "no competition wsdm-cup", "correct data.name"),
        (unreachable, "can't be reached", "data.path=FILE"),
        (slow, "can't be reached", "data.path=FILE"),
        (status(500), "KaggleApiHTTPError", "try again"),
        (status(200, b"no archive"), "wsdm-cup", "try again"),
    ],
)
def test_what_kaggle_refuses_is_named_with_the_way_out(
    answer: Callable[[Answer | None], None], respond: Answer | None, came: str, do: str
) -> None:
    answer(respond)
    with pytest.raises(DataError) as refused:
        KaggleSource(name="wsdm-cup").load()
    assert came in refused.value.came
    assert do in refused.value.do
    assert TOKEN["KAGGLE_KEY"] not in str(refused.value)


@pytest.mark.parametrize("name", [None, "", "..", "../x", "owner/name", "https://www.kaggle.com/competitions/x", "-x"])
def test_only_a_competitions_name_is_asked_for(answer: Callable[[Answer | None], None], name: str | None) -> None:
    answer(None)
    with pytest.raises(ConfigError, match=r"data\.name"):
        KaggleSource(name=name).load()


def test_without_kagglehub_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(ConfigError, match=r"prefens\[kaggle\]"):
        KaggleSource(name="x").load()


def test_a_file_is_chosen_by_its_name_or_refused_with_all_names(tmp_path: Path) -> None:
    pairs = make_pairs(8)
    for name in ("deep/train.csv", "more.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_csv(tmp_path / name, pairs)
    (tmp_path / "test.csv.gz").write_bytes(b"")
    assert choose_file(tmp_path, None, True) == tmp_path / "deep" / "train.csv"
    assert choose_file(tmp_path, None, False) == tmp_path / "test.csv.gz"
    assert load_pairs(choose_file(tmp_path, "more.csv", True)).pairs.ids.tolist() == pairs.ids.tolist()
    (tmp_path / "train.parquet").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"2 files named train \(deep/train.csv, more.csv, test.csv.gz, train.parquet\)"
    ):
        choose_file(tmp_path, None, True)
    with pytest.raises(DataError, match="0 files named other"):
        choose_file(tmp_path, "other.csv", True)
