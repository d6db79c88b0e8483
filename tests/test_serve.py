"""The command that serves: a member whose backbone lies in backbones=DIR alone answers."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hydra import compose, initialize_config_dir

from prefens.core.errors import BackboneError
from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.sources import FileSource
from prefens.data.text.settings import TextSettings
from prefens.members.encoder import EncoderMember
from prefens.members.training.settings import Mode, Save, TrainingSettings
from prefens.runner import config
from prefens.runner.trainer import Trainer
from prefens.serve import serve_model
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import make_pairs, make_tiny_encoder, write_csv

TestClient = pytest.importorskip("starlette.testclient").TestClient
ROW = {"prompt": "Question?", "response_a": "a good thing", "response_b": "no"}


def served(*overrides: str) -> None:
    with initialize_config_dir(str(config.CONF_DIR), version_base="1.3"):
        serve_model(compose("serve", overrides=["tracking=none", "port=0", *overrides]))  # type: ignore[arg-type]


@pytest.fixture
def handlers() -> Iterator[None]:
    """Signals do again what they did before a server took them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.slow
@pytest.mark.usefixtures("handlers")
def test_a_member_answers_whose_backbone_lies_in_the_folder_of_backbones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = make_tiny_encoder("bert", tmp_path / "models" / "tiny")
    corpus = make_corpus(FileSource(path=str(write_csv(Path("train.csv"), make_pairs(40)))), FoldSettings(k=2))
    split = OOFStore(Path("runs")).put_folds(corpus.folds)
    spec = MemberSpec("tiny", "encoder", {}, 0, corpus.folds.data_digest, corpus.folds.digest)
    training = TrainingSettings(mode=Mode.frozen, epochs=1, batch_pairs=20, save=Save.fp32)
    make = lambda: EncoderMember("hub/tiny", TextSettings(max_length=64), path=str(path), training=training)  # noqa: E731
    Trainer(corpus, split, NoTracker(), Path("runs")).train_member(spec, make, range(2))
    (tmp_path / "models").rename(tmp_path / "moved")
    answers: list[Any] = []

    def answer(server: uvicorn.Server, sockets: Any) -> None:
        answers.append(TestClient(server.config.app).post("/invocations", json=[ROW]))

    monkeypatch.setattr(uvicorn.Server, "run", answer)
    with pytest.raises(BackboneError, match="hub/tiny"):
        served(f"method={spec.name}")
    served(f"method={spec.name}", "backbones=moved")
    ((predicted,),) = [each.json()["predictions"] for each in answers]
    assert sum(predicted[name] for name in ("winner_model_a", "winner_model_b", "winner_tie")) == pytest.approx(1.0)
