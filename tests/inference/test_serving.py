"""The server: MLflow's protocol, bounded bodies, errors as JSON without paths, no request that blocks others."""

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prefens.core.errors import ConfigError, StoreError
from prefens.core.types import Floats, Pairs
from prefens.data.frame import load_frame
from prefens.inference.predictor import Predictor
from prefens.inference.serving import TURN, Gate, Limits, ServedModel, serve
from prefens.store.oof_store import OOFStore
from tests.helpers.commands import prefens
from tests.helpers.examples import make_pairs, write_csv

TestClient = pytest.importorskip("starlette.testclient").TestClient
COLUMNS = ["winner_model_a", "winner_model_b", "winner_tie"]
LIMIT = 100_000  # bytes
ROWS = 9 * TURN


class Recorded:
    """A predictor that says how many pairs each turn had, and does what a test wants before it answers."""

    prior = np.array([0.5, 0.25, 0.25])
    reads_plain = False

    def __init__(self, act: Callable[[int], None] = lambda count: None) -> None:
        self.turns: list[int] = []
        self.act = act

    def predict_pairs(self, pairs: Pairs) -> Floats:
        self.turns.append(len(pairs))
        self.act(len(pairs))
        return np.tile([0.2, 0.3, 0.5], (len(pairs), 1))


def client(predictor: Any, seconds: int = 30) -> Any:
    return TestClient(Gate(ServedModel(predictor), Limits(LIMIT / 1e6, ROWS, seconds)), raise_server_exceptions=False)


def records(count: int) -> list[dict[str, Any]]:
    return [{"id": row, "prompt": ["p"], "response_a": ["a"], "response_b": ["b"]} for row in range(count)]


def post(to: Any, rows: Any) -> Any:
    return to.post("/invocations", json={"dataframe_records": rows})


def test_it_is_mlflows_app_and_answers_what_came() -> None:
    to = client(Recorded())
    for path in ("/ping", "/health"):
        assert to.get(path).status_code == 200
    assert to.get("/version").text[0].isdigit()
    assert to.get("/invocations").status_code == 405
    ids = [2**60 + 1, "x", None, 0.5]
    answer = post(to, [record | {"id": id_} for record, id_ in zip(records(4), ids, strict=True)])
    assert answer.status_code == 200
    assert [row["id"] for row in answer.json()["predictions"]] == ids
    assert {tuple(row[name] for name in COLUMNS) for row in answer.json()["predictions"]} == {(0.2, 0.3, 0.5)}
    broken = post(to, [*records(1), {"prompt": "no JSON", "response_a": "", "response_b": ""}])
    assert [row["winner_model_a"] for row in broken.json()["predictions"]] == [0.2, 0.5]


def test_a_body_above_the_limit_is_refused_with_or_without_its_length() -> None:
    to = client(recorded := Recorded())
    body = b'{"dataframe_records": [' + b" " * LIMIT + b"]}"
    said = {"Content-Type": "application/json"}
    for content, more in ((body, {}), (iter([body[:1000], body[1000:]]), {}), (body, {"Expect": "100-continue"})):
        answer = to.post("/invocations", content=content, headers=said | more)
        assert answer.status_code == 413
        assert answer.json()["error"] == "a body of more than 0.1 MB"
    assert post(to, records(ROWS + 1)).json()["error"] == f"{ROWS + 1} rows"
    assert post(to, records(1)).status_code == 200
    assert recorded.turns == [1]


def test_a_failing_model_is_reported_to_the_log_and_no_path_to_the_client(caplog: pytest.LogCaptureFixture) -> None:
    def fail(count: int) -> None:
        raise StoreError("/srv/secret/fold-0: no stored model", "one", "train")

    answer = post(client(Recorded(fail)), records(1))
    assert (answer.status_code, answer.json()["error"]) == (500, "the server failed")
    assert "secret" not in answer.text
    assert "secret" in caplog.text


def test_every_refusal_is_json() -> None:
    to = client(Recorded())
    for body in (
        b'{"\\ud800": 1}',
        b'[{"id": {"\\udfff": 1}, "prompt": 1, "response_a": 1, "response_b": 1}]',
        b"\xff",
        b"",
    ):
        answer = to.post("/invocations", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert {"error", "expected", "to_do"} <= answer.json().keys()


def test_a_large_request_gives_way_to_others_after_each_turn() -> None:
    started, go_on = threading.Event(), threading.Event()

    def act(count: int) -> None:
        started.set()
        assert go_on.wait(20)

    to = client(recorded := Recorded(act))
    with ThreadPoolExecutor(2) as clients:
        large = clients.submit(post, to, records(3 * TURN))
        assert started.wait(20)
        assert post(to, [{"prompt": "x"}]).status_code == 400  # reading waits for no model
        assert to.get("/ping").status_code == 200
        small = clients.submit(post, to, records(1))
        time.sleep(0.5)  # it waits for its turn
        go_on.set()
        assert [len(each.result().json()["predictions"]) for each in (large, small)] == [3 * TURN, 1]
    assert recorded.turns == [TURN, 1, TURN, TURN]


def test_a_late_answer_is_json_and_nobody_works_on_it_any_longer(caplog: pytest.LogCaptureFixture) -> None:
    to = client(recorded := Recorded(lambda count: time.sleep(0.7)), seconds=1)
    answer = post(to, records(ROWS))
    assert (answer.status_code, answer.json()["error"]) == (504, "no answer within 1 seconds")
    time.sleep(1)
    assert len(recorded.turns) <= 3


def test_a_server_that_stops_gives_no_more_turns() -> None:
    started, stopped = threading.Event(), threading.Event()

    def act(count: int) -> None:
        started.set()
        assert stopped.wait(20)

    model = ServedModel(recorded := Recorded(act))  # type: ignore[arg-type]
    to = TestClient(Gate(model, Limits(1, ROWS, 30)))
    with ThreadPoolExecutor(1) as clients:
        large = clients.submit(post, to, records(ROWS))
        assert started.wait(20)
        model.close()
        stopped.set()
        assert (large.result().status_code, large.result().json()["error"]) == (503, "the server stops")
    assert recorded.turns == [TURN]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with test.csv and the store of a blend."""
    path = tmp_path_factory.mktemp("served")
    write_csv(path / "train.csv", make_pairs(60))
    write_csv(path / "test.csv", make_pairs(2 * TURN, seed=5), labelled=False)
    common = ["data.path=train.csv", "folds.k=2", "tracking=none"]
    prefens("train", *common, "backbone=style", "backbone.strengths=[0.1]", cwd=path)
    prefens("blend", "tracking=none", "blender=soft_vote", cwd=path)
    return path


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    """The address of `python -m prefens.serve` on a saved model whose own code is hostile."""
    (model,) = folder.glob("runs/store/*/model")
    (model / "code" / "hostile.py").write_text(f"open({str(folder / 'was_run')!r}, 'w')")
    described = (model / "MLmodel").read_text()
    (model / "MLmodel").write_text(described.replace("prefens.inference.saved_model", "hostile"))
    line = [sys.executable, "-m", "prefens.serve", f"model={model}", "port=0", "max_megabytes=1"]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    address = process.stdout.readline().split()[1]
    try:
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0, (folder / "log.txt").read_text()
    assert "Traceback" not in (folder / "log.txt").read_text()


def ask(address: str, body: bytes, content_type: str) -> tuple[int, Any]:
    request = urllib.request.Request(address, body, {"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.server
def test_the_server_answers_as_predict_does(server: str, folder: Path) -> None:
    assert server.startswith("http://127.0.0.1:")
    frame = pd.read_csv(folder / "test.csv")
    split = OOFStore(folder / "runs").select()
    expected = Predictor.of_store(split, "best").predict_rows(load_frame(frame))
    turns = frame.assign(**{name: frame[name].map(json.loads) for name in frame.columns[1:]})
    for body, content_type in (
        ((folder / "test.csv").read_bytes(), "text/csv"),
        (frame.to_json(orient="split").encode(), "application/json; format=pandas-split"),
        (json.dumps({"dataframe_records": turns.to_dict("records")}).encode(), "application/json"),
        (json.dumps({"inputs": frame.to_dict("list")}).encode(), "application/json"),
    ):
        status, answer = ask(server, body, content_type)
        assert status == 200, answer
        predicted = pd.DataFrame(answer["predictions"])
        assert predicted.id.astype(int).tolist() == frame.id.tolist()
        np.testing.assert_allclose(predicted[COLUMNS].to_numpy(), expected, rtol=0, atol=1e-9)
    status, answer = ask(server, b" " * 47_000_000, "application/json")
    assert (status, answer["error"]) == (413, "a body of more than 1 MB")
    wrong = {"dataframe_records": [{"prompt": "x", "response_a": "", "response_b": ""}], "params": {"strict": True}}
    status, answer = ask(server, json.dumps(wrong).encode(), "application/json")
    assert (status, answer["rows"][0]["row"]) == (400, 1)
    assert str(folder) not in json.dumps(answer)
    assert not (folder / "was_run").exists()


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 99999), ("203.0.113.1", 0), ("no such host", 0)])
def test_where_it_can_not_listen_is_refused(host: str, port: int) -> None:
    with pytest.raises(ConfigError, match=f"host={host} port={port}"):
        serve(Recorded(), host, port, Limits(1, 1, 1))  # type: ignore[arg-type]


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    for setting in ("max_megabytes=0", "max_rows=0", "timeout=0", "model=nowhere"):
        said = prefens("serve", setting, cwd=tmp_path, fails=True).stderr
        assert setting.removeprefix("model=") in said
        assert "Traceback" not in said
