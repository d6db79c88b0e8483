"""What Hydra writes of a job, where a setting is a secret."""

import base64
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.helpers.commands import prefens
from tests.helpers.examples import make_pairs, write_csv


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(tmp_path / "train.csv", make_pairs(60))
    return tmp_path


@contextmanager
def server(requests: list[str | None]) -> Iterator[int]:
    """An HTTP server that notes who logs in, and refuses; yield its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.headers.get("Authorization"))
            self.send_error(401)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as opened:
        thread = threading.Thread(target=opened.serve_forever)
        thread.start()
        yield opened.server_address[1]
        opened.shutdown()
        thread.join()


SECRET = "s3cr3t%40word"
LOGIN = "Basic " + base64.b64encode(b"ann:s3cr3t@word").decode()


@pytest.mark.parametrize("way", ["argument", "sweep", "YAML", "YAML sweep", "variable", "refused", "database"])
def test_a_password_is_in_no_file_and_in_no_output(folder: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is asked with it all the same."""
    train = ["backbone=style", "backbone.strengths=[0.1]", "folds.k=2", "data.path=train.csv", "tracking=server"]
    requests: list[str | None] = []
    with server(requests) as port:
        address = f"http://ann:{SECRET}@127.0.0.1:{port}"
        if way == "variable":
            monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
            address = "${oc.env:MLFLOW_TRACKING_URI}"
        elif way == "database":
            address = f"postgresql://ann:{SECRET}@host/db"
        if "YAML" in way:
            (folder / "conf" / "tracking").mkdir(parents=True)
            mine = f"defaults: [server, _self_]\nuri: {address}\n"
            (folder / "conf" / "tracking" / "mine.yaml").write_text(mine)
            train[-1:] = ["tracking=mine", "hydra.searchpath=[conf]"]
        else:
            train.append(f"tracking.uri='{address}'")
        train += ["backbone.strengths=[-1]"] if way == "refused" else []
        train = ["-m", "seed=0,1", *train] if "sweep" in way else train
        done = prefens("train", *train, cwd=folder, fails=way in ("refused", "database"))
    assert "Traceback" not in done.stderr
    if way not in ("refused", "database"):
        assert set(requests) == {LOGIN}
        assert "python -m prefens.sync" in done.stderr
    shutil.rmtree(folder / "conf", ignore_errors=True)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "overrides.yaml" for path in files)
    texts = [done.stdout.encode(), done.stderr.encode(), *(path.read_bytes() for path in files)]
    assert not [text for text in texts if b"s3cr3t" in text]
