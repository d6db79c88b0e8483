"""The blend as one MLflow model: whole, without pickles, the same numbers wherever it is loaded, and served."""

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc import scoring_server
from starlette.testclient import TestClient

from prefens.core.errors import BackboneError, DataError, StoreError
from prefens.core.metrics import outcome_shares
from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.frame import load_frame
from prefens.data.sources import FileSource
from prefens.data.text.settings import TextSettings
from prefens.inference import saved_model
from prefens.inference.predictor import Predictor
from prefens.inference.saved_model import model_predictor, save_best, stored_model, stored_predictor
from prefens.inference.scorer import Scorer
from prefens.members.base import Member
from prefens.members.encoder import EncoderMember
from prefens.members.style import StyleMember
from prefens.members.textcnn import TextCnnMember
from prefens.members.training.settings import Mode, Save, TrainingSettings
from prefens.runner.trainer import Trainer
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.factory import Tracking
from prefens.store.tracking.mlflow_backend import database_uri
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.decoders import make_tiny_decoder
from tests.helpers.examples import make_blend, make_pairs, run_result, write_csv
from tests.helpers.stores import damage

COLUMNS = ["winner_model_a", "winner_model_b", "winner_tie"]


def make_member(name: str) -> Member:
    return StyleMember(name, strengths=[0.01]) if name == "style" else TextCnnMember(name, vocabulary=200)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tracking root with two members, a blend of them, its model, and the model in MLflow."""
    folder = tmp_path_factory.mktemp("serving")
    path = write_csv(folder / "train.csv", make_pairs(60))
    corpus = make_corpus(FileSource(path=str(path)), FoldSettings(k=2))
    split = OOFStore(folder / "runs").put_folds(corpus.folds)
    for kind in (StyleMember, TextCnnMember):
        name = kind.__name__.removesuffix("Member").lower()
        spec = MemberSpec(name, kind.kind, {}, 0, corpus.folds.data_digest, corpus.folds.digest)
        trainer = Trainer(corpus, split, NoTracker(), folder / "runs")
        trainer.train_member(spec, lambda name=name: make_member(name), range(2))
    make_blend(split, {spec.name: 0.5 for spec in split.members()})
    MlflowTracker(folder / "runs", "prefens").log_blend(
        "blend", "d", {}, {"prefens.best": "x"}, [], {}, save_best(split)
    )
    return folder / "runs"


@pytest.fixture
def split(root: Path) -> SplitStore:
    return OOFStore(root).select()


@pytest.fixture
def copied(root: Path, tmp_path: Path) -> SplitStore:
    """A store of its own, to change."""
    shutil.copytree(root / "store", tmp_path / "copied" / "store")
    return OOFStore(tmp_path / "copied").select()


@pytest.fixture
def frame(tmp_path: Path) -> pd.DataFrame:
    return pd.read_csv(write_csv(tmp_path / "test.csv", make_pairs(12, seed=5), labelled=False))


@pytest.fixture
def expected(split: SplitStore, frame: pd.DataFrame) -> Any:
    """The probabilities of the store's members."""
    return Predictor.of_store(split, "soft_vote").predict_rows(load_frame(frame))


@pytest.fixture
def tracked(root: Path) -> Iterator[None]:
    mlflow.set_tracking_uri(database_uri(root / "mlflow.db"))
    yield
    mlflow.set_tracking_uri(None)


def test_the_model_holds_code_and_plain_files_alone(split: SplitStore) -> None:
    model = split.path / "model"
    parts = [path.relative_to(model) for path in model.rglob("*") if path.is_file()]
    data = {part for part in parts if part.parts[0] == "data"}
    assert {part.suffix for part in data} == {".json", ".safetensors"}  # nor ids or labels: those are parquet
    plain = {"", ".py", ".typed", ".ipynb", ".yaml", ".json", ".txt", ".j2", ".js", ".css"}
    assert {part.suffix for part in {*parts} - data} <= plain
    assert Path("code/prefens/inference/saved_model.py") in parts


def test_signature_and_example_fit(split: SplitStore) -> None:
    loaded = mlflow.pyfunc.load_model(str(split.path / "model"))
    assert loaded.metadata.signature.outputs.required_input_names() == COLUMNS
    predicted = loaded.predict(loaded.input_example)
    assert [*predicted.columns] == COLUMNS
    np.testing.assert_allclose(predicted.sum(axis=1), 1.0)


def test_candidates_are_scored_by_mlflow_s_own_server_too(split: SplitStore, frame: pd.DataFrame) -> None:
    model = mlflow.pyfunc.load_model(str(split.path / "model"))
    answers = [["no", "the red thing is not very good"], [], np.array(["7", "a longer answer", "Four."], dtype=object)]
    rows = pd.DataFrame({"id": [5, 6, 7], "prompt": "Question?", "responses": answers}, index=[2, 1, 0])
    scores = model.predict(rows)
    assert (scores.index.tolist(), scores.id.tolist()) == ([2, 1, 0], [5, 6, 7])
    scorer = Scorer(stored_predictor(split, "best"))
    for place in (0, 2):
        expected = scorer.score("Question?", list(answers[place]))
        assert (scores.rewards.iloc[place], scores.best.iloc[place]) == (expected.rewards.tolist(), expected.best)
    assert scores.problem.iloc[1] == "0 answers, expected 1 or more"
    with pytest.raises(DataError, match="1 of 3 rows can't be scored; row 2: 0 answers"):
        model.predict(rows, params={"strict": True})
    with pytest.raises(DataError, match="no column response_b"):
        model.predict(frame.drop(columns="response_b"))
    body = {"dataframe_records": rows.assign(responses=[list(own) for own in answers]).to_dict("records")}
    answered = TestClient(scoring_server.init(model)).post("/invocations", json=body).json()["predictions"]
    assert [row["rewards"] for row in answered] == scores.rewards.tolist()


def test_every_way_of_loading_gives_the_same_bits(
    root: Path, split: SplitStore, frame: pd.DataFrame, expected: Any, tracked: None
) -> None:
    client = MlflowTracker(root, "prefens").client
    run = client.get_model_version_by_alias("prefens", "best").run_id
    for place in (str(split.path / "model"), "models:/prefens@best", "models:/prefens/1", f"runs:/{run}/model"):
        predicted = mlflow.pyfunc.load_model(place).predict(frame)
        assert [*predicted.columns] == ["id", *COLUMNS]
        assert predicted.id.tolist() == frame.id.tolist()
        np.testing.assert_array_equal(predicted[COLUMNS].to_numpy(), expected)
        predictor = model_predictor(place, Tracking(str(root), "prefens", True))
        np.testing.assert_array_equal(predictor.predict_rows(load_frame(frame)), expected)


def test_what_is_no_model_is_refused_by_name(root: Path, tmp_path: Path) -> None:
    for place in (
        "models:/prefens@worst",
        "models:/prefens/9",
        "models:/x",
        "runs:/abc/model",
        "runs:/abc",
        str(tmp_path),
    ):
        with pytest.raises(StoreError, match=place):
            model_predictor(place, Tracking(str(root), "prefens", True))
    with pytest.raises(StoreError, match=r"mlflow\.db"):
        model_predictor("models:/prefens@best", Tracking(str(tmp_path), "prefens", True))


def test_the_code_in_a_model_is_not_run(split: SplitStore, frame: pd.DataFrame, expected: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(split.path / "model", folder)
    described = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(described.replace("prefens.inference.saved_model", "hostile"))
    (folder / "code" / "hostile.py").write_text(f"open({str(tmp_path / 'was_run')!r}, 'w')")
    predictor = model_predictor(str(folder), Tracking(str(tmp_path), "prefens", True))
    np.testing.assert_array_equal(predictor.predict_rows(load_frame(frame)), expected)
    with pytest.raises(AttributeError):
        mlflow.pyfunc.load_model(str(folder))  # MLflow itself runs it
    assert (tmp_path / "was_run").is_file()


def test_a_moved_root_still_has_its_models(root: Path, frame: pd.DataFrame, expected: Any, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(root, tmp_path / "here")
    MlflowTracker(tmp_path / "here", "prefens")
    (tmp_path / "here").rename(moved)
    tracker = MlflowTracker(moved, "prefens")
    assert tracker.find_model("models:/prefens@best").is_relative_to(moved)
    run = tracker.client.get_model_version_by_alias("prefens", "best").run_id
    mlflow.set_tracking_uri(tracker.uri)
    for place in ("models:/prefens@best", f"runs:/{run}/model"):
        predicted = mlflow.pyfunc.load_model(place).predict(frame)
        np.testing.assert_array_equal(predicted[COLUMNS].to_numpy(), expected)
    mlflow.set_tracking_uri(None)


def test_the_next_blend_is_the_best_and_earlier_ones_stay(copied: SplitStore, tmp_path: Path) -> None:
    tracker = MlflowTracker(tmp_path / "mlflow", "team/it's prefens")
    saved: dict[float, Path | None] = {}

    def log_blend(weight: float, best: bool = True) -> None:
        tracker.log_blend("blend", str(weight), {}, {}, [], {}, saved[weight], best=best)

    def best() -> Any:
        return tracker.client.get_model_version_by_alias("team-it's prefens", "best").version

    for weight in (0.5, 0.25):
        first, second = (spec.name for spec in copied.members())
        make_blend(copied, {first: weight, second: 1 - weight})
        saved[weight] = save_best(copied)
        log_blend(weight)
    tracking = Tracking(str(tracker.root), "team/it's prefens", True)
    predictors = [model_predictor(f"models:/team-it's prefens/{version}", tracking) for version in (1, 2)]
    assert [predictor.blender.state()["weights"][0] for predictor in predictors] == [0.5, 0.25]
    assert best() == 2
    (model, _) = tracker.client.search_logged_models([tracker.experiment_id])
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": "team-it's prefens", "version": 2}]
    run = tracker.client.get_run(model.source_run_id)
    assert run.outputs.model_outputs[0].model_id == model.model_id
    stored, logged = (
        tracker.find_model("models:/team-it's prefens@best") / "MLmodel",
        copied.path / "model" / "MLmodel",
    )
    assert not stored.samefile(logged)  # it names its run, and the store's copy does not
    log_blend(0.5, best=False)  # that of a split that does not predict
    assert best() == 2
    log_blend(0.5)  # the same blend made again is the best again, and has no second run
    assert best() == 1
    assert len(tracker.client.search_runs([tracker.experiment_id])) == 2


@pytest.mark.parametrize("call", ["finalize_logged_model", "create_model_version", "log_outputs", "set_terminated"])
def test_a_blend_whose_logging_was_cut_off_is_registered_once(
    copied: SplitStore, tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (spec.name for spec in copied.members())
    make_blend(copied, {first: 0.5, second: 0.5})
    saved = save_best(copied)

    def log_blend() -> MlflowTracker:
        tracker = MlflowTracker(tmp_path / "mlflow", "prefens")
        tracker.log_blend("blend", "c" * 64, {}, {}, [], {}, saved)
        return tracker

    def cut(*_: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, call, cut)
        with pytest.raises(KeyboardInterrupt):
            log_blend()
    client = log_blend().client
    (model,) = client.search_logged_models(["1"])
    (version,) = client.search_model_versions()
    (run,) = client.search_runs(["1"])
    assert run.info.status == "FINISHED"
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert version.source == model.artifact_location
    assert client.get_model_version_by_alias("prefens", "best").version == version.version
    assert len([*(tmp_path / "mlflow" / "artifacts" / "models").iterdir()]) == 1


OWN_CODE = """
import sys
from pathlib import Path
sys.path = [path for path in sys.path if not (Path(path) / "prefens" / "__init__.py").is_file()]
import mlflow, pandas
predicted = mlflow.pyfunc.load_model(sys.argv[1]).predict(pandas.read_csv(sys.argv[2]))
import prefens
assert Path(prefens.__file__).is_relative_to(sys.argv[1]), prefens.__file__
print(predicted.to_json(orient="split", double_precision=15))
"""


@pytest.mark.slow
def test_it_loads_where_prefens_is_not_installed(
    split: SplitStore, frame: pd.DataFrame, expected: Any, tmp_path: Path
) -> None:
    shutil.copytree(split.path / "model", tmp_path / "model")
    line = [sys.executable, "-P", "-c", OWN_CODE, str(tmp_path / "model"), str(tmp_path / "test.csv")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    output = json.loads(done.stdout)
    np.testing.assert_allclose(np.array(output["data"])[:, 1:], expected, rtol=0, atol=1e-14)


def test_malformed_rows_get_the_prior_or_are_refused(
    split: SplitStore, frame: pd.DataFrame, expected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = mlflow.pyfunc.load_model(str(split.path / "model"))
    frame.loc[3, "prompt"] = "not JSON"
    predicted = model.predict(frame[::-1])
    assert predicted.index.tolist() == frame.index.tolist()[::-1]
    expected[3] = outcome_shares(split.folds.label, split.folds.n_outcomes)
    np.testing.assert_allclose(predicted[COLUMNS].to_numpy()[::-1], expected, atol=1e-6)
    assert "row 9 gets the class prior" in caplog.text
    with pytest.raises(DataError, match="1 of 12 rows"):
        model.predict(frame, params={"strict": True})


def test_predict_takes_the_saved_model_while_it_is_the_stored_blend(copied: SplitStore, frame: pd.DataFrame) -> None:
    saved = stored_predictor(copied, "best")
    assert saved.store.path == copied.path / "model" / "data"
    assert stored_predictor(copied, "soft_vote").store == copied
    rows = load_frame(frame)
    fresh = Predictor.of_store(copied, "best")
    np.testing.assert_array_equal(saved.predict_rows(rows), fresh.predict_rows(rows))
    make_blend(copied, dict(zip(saved.members, (0.1, 0.9), strict=True)))
    assert stored_predictor(copied, "best").store == copied


def test_a_member_that_was_trained_to_other_bits_makes_the_saved_model_stale(
    copied: SplitStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    spec = next(copied.members())
    model, predictions = copied.fold_dir(spec.name, 1) / "model", copied.predictions(spec, 1)
    weights = {path.name: path.read_bytes() for path in model.iterdir()}

    def put(files: dict[str, bytes]) -> None:
        def save(folder: Path) -> None:
            for name, content in files.items():
                (folder / name).write_bytes(content)

        copied.put(spec, predictions, run_result(), save)

    put(weights)
    assert stored_predictor(copied, "best").store.path == copied.path / "model" / "data"
    assert "trained again" not in caplog.text
    put({**weights, "settings.json": weights["settings.json"] + b" "})
    assert stored_predictor(copied, "best").store == copied
    assert f"trained again after {copied.path / 'model' / 'data'} was saved" in caplog.text
    assert stored_model(copied) is None  # nor is it logged
    assert save_best(copied) == copied.path / "model" == stored_model(copied)


@pytest.mark.parametrize("how", ["truncated", "flipped", "deleted"])
@pytest.mark.parametrize("file", ["predictor.json", "manifest.json", "member.json", "model.safetensors", "run.json"])
def test_a_damaged_model_is_refused_by_path_and_the_store_predicts(
    copied: SplitStore, frame: pd.DataFrame, expected: Any, caplog: pytest.LogCaptureFixture, file: str, how: str
) -> None:
    model = copied.path / "model"
    path = sorted((model / "data").rglob(file))[0]
    damage(path, how)
    with pytest.raises(StoreError, match=rf"{path}(.|\n)*to do: .*prefens\.blend"):
        model_predictor(str(model), Tracking(str(model), "prefens", True))
    if file == "model.safetensors":
        with pytest.raises(StoreError, match=f"{path}"):
            mlflow.pyfunc.load_model(str(model))  # as a server does
    with caplog.at_level(logging.WARNING):
        predictor = stored_predictor(copied, "best")
    assert predictor.store == copied
    (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert str(path) in warning
    np.testing.assert_array_equal(predictor.predict_rows(load_frame(frame)), expected)


def test_a_whole_model_predicts_for_a_store_that_is_not(
    copied: SplitStore, frame: pd.DataFrame, expected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    spec = next(copied.members())
    shutil.rmtree(copied.fold_dir(spec.name, 1))
    with caplog.at_level(logging.WARNING):
        predictor = stored_predictor(copied, "best")
    assert f"the store is not whole: {copied.fold_dir(spec.name, 1)}" in caplog.text
    np.testing.assert_array_equal(predictor.predict_rows(load_frame(frame)), expected)
    with pytest.raises(StoreError, match=str(copied.fold_dir(spec.name, 1))):
        stored_predictor(copied, "soft_vote").predict_rows(load_frame(frame))


@pytest.mark.parametrize("how", ["truncated", "flipped", "deleted"])
def test_a_damaged_fold_model_predicts_nothing(copied: SplitStore, frame: pd.DataFrame, how: str) -> None:
    spec = next(copied.members())
    path = sorted((copied.fold_dir(spec.name, 1) / "model").iterdir())[0]
    damage(path, how)
    with pytest.raises(StoreError, match=rf"{path}(.|\n)*to do: .*python -m prefens\.train"):
        stored_predictor(copied, "soft_vote").predict_rows(load_frame(frame))
    with pytest.raises(StoreError, match=f"{path}"):
        Predictor.of_store(copied, "best").save(copied.path / "elsewhere")


@pytest.mark.parametrize("how", ["truncated", "flipped", "[]", "{}", "null"])
@pytest.mark.parametrize("file", ["blend.json", "manifest.json"])
def test_a_damaged_blend_predicts_nothing_and_the_next_replaces_it(copied: SplitStore, file: str, how: str) -> None:
    weights = dict.fromkeys(copied.member_names(), 0.5)
    path = copied.blend_dir / file
    damage(path, how)
    with pytest.raises(StoreError, match=rf"{path}(.|\n)*to do: .*prefens\.blend"):
        stored_predictor(copied, "best")
    make_blend(copied, weights)
    assert stored_predictor(copied, "best").store.path == copied.path / "model" / "data"


@pytest.mark.parametrize("reason", ["is external", "no stored model", "model.safetensors: missing", "disk full"])
def test_a_blend_goes_on_without_a_model(
    copied: SplitStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    spec = next(copied.members())
    if reason == "is external":
        path = copied.member_dir(spec.name) / "member.json"
        external = {"external": spec.name, "kind": None, "backbone": None, "seed": None}
        path.write_text(json.dumps(json.loads(path.read_text()) | external))
    elif reason == "no stored model":
        copied.put(spec, copied.predictions(spec, 0), run_result(), lambda folder: None)
    elif reason == "model.safetensors: missing":
        shutil.rmtree(copied.fold_dir(spec.name, 0) / "model")
    else:
        monkeypatch.setattr(Predictor, "save", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "disk full")))
    before = sorted(copied.path.rglob("*"))
    with caplog.at_level(logging.WARNING):
        assert save_best(copied) is None
    assert [record.levelname for record in caplog.records if record.name == saved_model.__name__] == ["WARNING"]
    assert reason in caplog.text
    assert sorted(copied.path.rglob("*")) == before


@pytest.fixture
def server(split: SplitStore, tmp_path: Path) -> Iterator[str]:
    """The address of `mlflow models serve` on the saved model."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(split.path / "model")]
    line += ["--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # uvicorn's is among them
    log = tmp_path / "serve.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            line,
            cwd=tmp_path,
            env=os.environ | {"PATH": programs},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(240):
            time.sleep(0.5)
            assert process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"{address}/ping", timeout=5).close()
                break
            except OSError:
                continue
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def post(address: str, body: dict[str, Any]) -> pd.DataFrame:
    request = urllib.request.Request(
        f"{address}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return pd.DataFrame(json.load(response)["predictions"])


@pytest.mark.server
def test_the_server_answers_as_predict_does(server: str, frame: pd.DataFrame, expected: Any) -> None:
    texts = frame.drop(columns="id")
    turns = texts.map(json.loads)
    for body in (
        {"dataframe_split": json.loads(frame.to_json(orient="split"))},
        {"dataframe_records": texts.to_dict("records")},
        {"dataframe_records": turns.to_dict("records")},
        {"inputs": texts.to_dict("list")},
    ):
        answer = post(server, body)
        assert ("id" in answer) == ("dataframe_split" in body)
        np.testing.assert_allclose(answer[COLUMNS].to_numpy(), expected, rtol=0, atol=1e-9)
    wrong = {"dataframe_records": [{"prompt": "plain text", "response_a": "[]", "response_b": "[]"}]}
    with pytest.raises(urllib.error.HTTPError, match="400"):
        post(server, {**wrong, "params": {"strict": True}})


@pytest.mark.slow
def test_a_model_without_copies_of_backbones_finds_them_where_they_are_put(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = make_tiny_decoder("llama", tmp_path / "models" / "llama")
    path = write_csv(tmp_path / "train.csv", make_pairs(40))
    corpus = make_corpus(FileSource(path=str(path)), FoldSettings(k=2))
    split = OOFStore(tmp_path / "runs").put_folds(corpus.folds)
    spec = MemberSpec("llama", "encoder", {}, 0, corpus.folds.data_digest, corpus.folds.digest)
    training = TrainingSettings(mode=Mode.lora, lr=1e-2, epochs=1, batch_pairs=8, save=Save.fp32)
    make = lambda: EncoderMember("hub/llama", TextSettings(64), path=str(decoder), training=training)  # noqa: E731
    Trainer(corpus, split, NoTracker(), tmp_path / "runs").train_member(spec, make, range(2))
    make_blend(split, {spec.name: 1.0})
    pairs = make_pairs(6, seed=1)
    expected = Predictor.of_store(split, "best").predict_pairs(pairs)
    copies = split.path / "model" / "data" / "backbones"
    for large, asked, copied in ((1e9, None, True), (0, True, True), (1e9, False, False), (0, None, False)):
        monkeypatch.setattr(saved_model, "LARGE_COPY", large)
        with caplog.at_level(logging.INFO):
            caplog.clear()
            assert save_best(split, copies=asked) is not None
        assert copies.is_dir() == copied
        assert ("has no copy of hub/llama, 0 MB, as the folder llama-" in caplog.text) == (not copied)
    assert stored_model(split) == split.path / "model"
    np.testing.assert_array_equal(stored_predictor(split, "best").predict_pairs(pairs), expected)

    def predicted(*backbones: Path) -> Any:
        nowhere = Tracking(str(tmp_path / "elsewhere"), "prefens", False)
        return model_predictor(str(tmp_path / "moved"), nowhere, backbones).predict_pairs(pairs)

    (split.path / "model").rename(tmp_path / "moved")
    attached = (tmp_path / "models").rename(tmp_path / "attached")
    with pytest.raises(BackboneError, match="hub/llama") as refused:
        predicted()
    np.testing.assert_array_equal(predicted(attached), expected)
    _, _, place = refused.value.do.rpartition(" ")
    shutil.copytree(attached / "llama", place)  # as the error says
    np.testing.assert_array_equal(predicted(), expected)
