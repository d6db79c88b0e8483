"""Many pairs by many fold models: backbones are loaded once, parts change nothing, what is stopped goes on."""

import gc
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from weakref import WeakSet

import numpy as np
import pytest

from prefens.core import shutdown
from prefens.core.shutdown import BUDGET_SPENT, Stopped
from prefens.core.types import Floats, Pairs
from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.sources import FileSource
from prefens.data.text import truncation
from prefens.data.text.settings import TextSettings
from prefens.ensemble.registry import restore
from prefens.inference import batches
from prefens.inference.batches import FoldModel, predict_groups
from prefens.inference.estimate import MIN_PAIRS, duration
from prefens.inference.fold_models import load_model
from prefens.inference.predictor import Predictor
from prefens.inference.unfinished import FILE_NAME, Unfinished
from prefens.members.encoder import EncoderMember
from prefens.members.style import StyleMember
from prefens.members.training.settings import Mode, Save, TrainingSettings
from prefens.runner.trainer import Trainer
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.run_record import RunResult
from prefens.store.split_store import SplitStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.decoders import make_tiny_decoder
from tests.helpers.examples import column, make_pairs, write_csv

SHARING = {
    "lora-0": (Mode.lora, 0),
    "lora-1": (Mode.lora, 1),
    "frozen-0": (Mode.frozen, 0),
    "frozen-1": (Mode.frozen, 1),
}


def predictor_of(split: SplitStore, backbone: str = "") -> Predictor:
    names = [name for name in split.member_names() if name.startswith(backbone)]
    weights = [1 / len(names)] * len(names)
    blender = restore({"method": "soft_vote", "members": len(names), "weights": weights})
    return Predictor(split, "soft_vote", names, blender, split.folds.k, np.full(3, 1 / 3), ())


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> SplitStore:
    """Four members of two folds on one decoder, and one without a backbone."""
    root = tmp_path_factory.mktemp("split")
    path = make_tiny_decoder("llama", root / "llama")
    corpus = make_corpus(FileSource(path=str(write_csv(root / "train.csv", make_pairs(40)))), FoldSettings(k=2))
    stored = OOFStore(root).put_folds(corpus.folds)
    digests = corpus.folds.data_digest, corpus.folds.digest
    for name, (mode, seed) in SHARING.items():
        training = TrainingSettings(mode=mode, lr=1e-2, epochs=1, batch_pairs=8, save=Save.fp32)
        make = lambda t=training: EncoderMember("hub/llama", TextSettings(max_length=64), path=str(path), training=t)  # noqa: E731
        spec = MemberSpec(name, "encoder", {"mode": mode.name}, seed, *digests)
        Trainer(corpus, stored, NoTracker(), root).train_member(spec, make, range(2))
    style = MemberSpec("style", "style", {}, 0, *digests)
    Trainer(corpus, stored, NoTracker(), root).train_member(
        style, lambda: StyleMember("style", strengths=[0.01]), range(2)
    )
    return stored


def backbones_in_memory() -> int:
    from transformers import LlamaModel

    gc.collect()
    models = [each for each in gc.get_objects() if type(each) is LlamaModel]
    return sum(each.device.type != "meta" for each in models)


def test_switched_adapters_and_heads_predict_what_separate_models_do(
    split: SplitStore, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = make_pairs(8, seed=1)
    specs = {spec.name: spec for spec in split.members() if spec.kind == "encoder"}
    folders = {(name, fold): split.fold_dir(name, fold) / "model" for name in specs for fold in range(2)}
    separate: dict[tuple[str, int], Floats] = {}
    with caplog.at_level(logging.INFO, "prefens.members.nn.frozen_encoder"):
        for key, folder in folders.items():
            fresh = make_pairs(8, seed=1)  # for which no features are cached
            separate[key] = load_model(specs[key[0]], folder, ()).predict_proba(fresh)
        assert backbones_in_memory() == 0
        assert len(caplog.records) == len(folders) == 2 * len(SHARING)  # alone, each loads its own
        caplog.clear()
        together = {key: load_model(specs[key[0]], folder, ()) for key, folder in folders.items()}
        for _ in range(2):
            for key in (*folders, *reversed(folders)):
                np.testing.assert_array_equal(together[key].predict_proba(pairs), separate[key])
        assert backbones_in_memory() == len(caplog.records) == 1
    assert len({values.tobytes() for values in separate.values()}) == len(folders)


def test_a_backbone_is_loaded_once_for_all_members_on_it(split: SplitStore, caplog: pytest.LogCaptureFixture) -> None:
    pairs, predictor = make_pairs(150, seed=1), predictor_of(split)
    assert len(predictor.groups()) == 1 + 2  # style has no backbone: its models come one at a time
    with caplog.at_level(logging.INFO):
        predicted = predictor.predict_pairs(pairs)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("prefens.members")]
    assert [line.split()[0] for line in lines] == ["loading"]  # and no line for each part, of which there are three
    assert backbones_in_memory() == 0
    predictor.load_all()
    assert backbones_in_memory() == 1
    np.testing.assert_allclose(predictor.predict_pairs(pairs), predicted, atol=1e-6)
    rows = [predictor.predict_pairs(pairs.take(np.array([row]))) for row in (0, 70, 149)]
    np.testing.assert_allclose(np.concatenate(rows), predicted[[0, 70, 149]], atol=1e-5)


def test_texts_that_are_cut_are_warned_of_once_a_command(split: SplitStore, caplog: pytest.LogCaptureFixture) -> None:
    """Not for each part of the file, and each fold model."""
    pairs = make_pairs(140, seed=1)
    doubled = (column([(turns[0] * 5,) for turns in part]) for part in (pairs.response_a, pairs.response_b))
    long = Pairs(pairs.ids, pairs.prompt, *doubled)
    truncation.WARNED.clear()
    predictor_of(split, "frozen-0").predict_pairs(long)
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert line.startswith("text.max_length=64 cuts off")
    assert "of the response tokens of 64 pairs" in line


def test_a_stopped_prediction_goes_on_to_the_same_bits(
    split: SplitStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PART", 8)
    pairs, predictor, folder = make_pairs(40, seed=1), predictor_of(split), tmp_path / "unfinished"
    whole = predictor.predict_pairs(pairs)
    stops, done = [1, 17, 30], 0
    for stop in stops:
        calls = iter(range(stop - done))
        monkeypatch.setattr(batches, "shutdown", asking(partial(stop_after, calls)))
        with pytest.raises(Stopped):
            predictor.predict_pairs(pairs, Unfinished(folder))
        done = stop
        assert len(Unfinished(folder)) == stop
    left: list[int] = []
    monkeypatch.setattr(batches, "shutdown", asking(lambda: left.append(1)))
    unfinished = Unfinished(folder)
    np.testing.assert_array_equal(predictor.predict_pairs(pairs, unfinished), whole)
    assert len(left) == 10 * 5 - stops[-1]  # ten fold models, five parts
    unfinished.remove()
    assert not folder.exists()


def asking(check: Callable[[], None]) -> SimpleNamespace:
    return SimpleNamespace(check=check)


def stop_after(calls: Iterator[int]) -> None:
    if next(calls, None) is None:
        raise Stopped("the time budget is spent", BUDGET_SPENT)


def test_a_budget_that_is_always_spent_ends_all_the_same(
    split: SplitStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that loads models for longer than its budget does a part each time, whatever a member asks within."""
    monkeypatch.setattr(batches, "PART", 20)
    pairs, predictor, folder = make_pairs(40, seed=1), predictor_of(split, "frozen-0"), tmp_path / "unfinished"
    done = 0
    try:
        while True:
            shutdown.set_deadline(time.time() - 1)
            try:
                last = predictor.predict_pairs(pairs, Unfinished(folder))
                break
            except Stopped:
                done += 1
                assert len(Unfinished(folder)) == done
        shutdown.set_deadline(time.time() - 1)
        np.testing.assert_array_equal(last, predictor.predict_pairs(pairs))  # what keeps nothing is not stopped
    finally:
        shutdown.set_deadline(None)
    assert done == 3  # two fold models of two parts: the fourth start ends it


class Constant:
    """A model that predicts one row for all pairs."""

    def __init__(self, *row: float) -> None:
        self.row, self.predicted = np.array(row), 0

    def predict_proba(self, pairs: Pairs) -> Floats:
        self.predicted += len(pairs)
        return np.tile(self.row, (len(pairs), 1))


def predict(model: Constant, pairs: Pairs, unfinished: Unfinished, key: str = "a") -> Floats:
    return predict_groups([[FoldModel("m", key, lambda: model)]], [pairs], len(model.row), unfinished)["m"]  # type: ignore[arg-type, return-value]


def test_other_models_and_other_texts_take_nothing_from_a_stopped_prediction(tmp_path: Path) -> None:
    first = Unfinished(tmp_path / "u")
    predict(Constant(0.2, 0.3, 0.5), make_pairs(10), first)
    first.save()
    same, other, texts = Constant(1, 0, 0), Constant(0, 1, 0), Constant(0, 0, 1)
    assert predict(same, make_pairs(10), Unfinished(tmp_path / "u"))[0].tolist() == [0.2, 0.3, 0.5]
    predict(other, make_pairs(10), Unfinished(tmp_path / "u"), key="b")
    predict(texts, make_pairs(10, seed=1), Unfinished(tmp_path / "u"))
    assert (same.predicted, other.predicted, texts.predicted) == (0, 10, 10)
    for outcomes in (Constant(1.0), Constant(0.4, 0.6)):  # of one column, numpy would make three
        assert predict(outcomes, make_pairs(10), Unfinished(tmp_path / "u"))[0].tolist() == outcomes.row.tolist()
        assert outcomes.predicted == 10


def test_models_in_memory_take_nothing_from_each_other(split: SplitStore, tmp_path: Path) -> None:
    pairs, predictor = make_pairs(10, seed=1), predictor_of(split, "style")
    expected = predictor.predict_pairs(pairs)
    predictor.load_all()
    np.testing.assert_array_equal(predictor.predict_pairs(pairs, Unfinished(tmp_path / "u")), expected)


def test_no_two_groups_are_in_memory_at_once() -> None:
    alive: WeakSet[Constant] = WeakSet()

    def load(group: int) -> Constant:
        model = Constant(0.2, 0.3, 0.5)
        model.group = group  # type: ignore[attr-defined]
        alive.add(model)
        assert {each.group for each in alive} == {group}  # type: ignore[attr-defined]
        return model

    groups = [[FoldModel("m", f"{group}{fold}", partial(load, group)) for fold in range(2)] for group in range(3)]  # type: ignore[arg-type]
    blocks = [make_pairs(10), make_pairs(10, seed=1)]
    assert predict_groups(groups, blocks, 3, Unfinished())["m"].sum() == pytest.approx(6 * 20)


def test_another_device_or_thread_count_takes_nothing_from_a_stopped_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of predictions has one rounding: it is the same wherever they were stopped."""
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    first = Unfinished(tmp_path / "u")
    predict(Constant(0.2, 0.3, 0.5), make_pairs(10), first)
    first.save()

    def predicted() -> int:
        model = Constant(1, 0, 0)
        predict(model, make_pairs(10), Unfinished(tmp_path / "u"))
        return model.predicted

    assert predicted() == 0
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert predicted() == 10
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "T4")
    assert predicted() == 10


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "no manifest", "no record", "no folder"])
def test_a_damaged_folder_is_predicted_again(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    folder, model = tmp_path / "u", Constant(0.2, 0.3, 0.5)
    first = Unfinished(folder)
    predict(model, make_pairs(10), first)
    first.save()
    path = folder / FILE_NAME
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-5])
    elif damage == "changed":
        path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    elif damage == "gone":
        path.unlink()
    elif damage == "no record":
        path.write_bytes(path.read_bytes()[:-1] + b"\x00")
        (folder / "manifest.json").write_text('{"files": {}}')
    elif damage == "no manifest":
        (folder / "manifest.json").unlink()
    else:
        shutil.rmtree(folder)
        folder.write_text("")
    predict(model, make_pairs(10), Unfinished(folder))
    assert model.predicted == 20
    assert f"{folder} is damaged" in caplog.text


def test_an_estimate_is_logged_where_there_is_much_to_do(caplog: pytest.LogCaptureFixture) -> None:
    class Slow(Constant):
        def predict_proba(self, pairs: Pairs) -> Floats:
            time.sleep(1e-3 * len(pairs))
            return super().predict_proba(pairs)

    pairs = make_pairs(2 * MIN_PAIRS)
    groups = [[FoldModel("m", str(fold), lambda: Slow(1, 0, 0))] for fold in range(3)]  # type: ignore[arg-type, return-value]
    with caplog.at_level(logging.INFO):
        started = time.monotonic()
        predict_groups(groups, [pairs], 3, Unfinished())
        seconds = time.monotonic() - started
        predict_groups(groups, [make_pairs(MIN_PAIRS - 1)], 3, Unfinished())
    messages = [record.getMessage() for record in caplog.records]
    assert messages.count("predicting with m: 3 models") == 2  # once for each prediction, not for each model
    (line,) = [message for message in messages if "about" in message]
    assert line.endswith(f"s for {len(pairs)} pairs x 3 fold models")
    assert 0.2 * seconds < float(line.split()[2]) < 5 * seconds
    assert [duration(value) for value in (0.1, 40, 720, 12600)] == ["1 s", "40 s", "12 min", "3.5 h"]


def test_the_whole_time_is_estimated_before_anything_is_loaded(caplog: pytest.LogCaptureFixture) -> None:
    n, lines = MIN_PAIRS, list[list[str]]()

    def load() -> Constant:
        lines.append([record.getMessage() for record in caplog.records])
        return Constant(1, 0, 0)

    def group(member: str, seconds: float) -> list[FoldModel]:
        run = RunResult(log_loss=1, accuracy=0, seconds=seconds, valid_rows=n, train_rows=n, threads=3)
        return [FoldModel(member, f"{member}{fold}", load, run) for fold in range(2)]  # type: ignore[arg-type]

    with caplog.at_level(logging.INFO):
        predict_groups([group("a", 240.0), group("b", 3600.0)], [make_pairs(n)], 3, Unfinished())
        (total,) = lines[0][:1]
        assert total.startswith(f"in all: about 64 min for {n} pairs x 4 fold models, an estimate")
        assert "on cpu with 3 threads" in total
        (first, last) = (line for line in (r.getMessage() for r in caplog.records) if "s for 256 pairs x 2" in line)
        assert first.endswith("x 2 fold models; 60 min in all")
        assert last.endswith("x 2 fold models")
        caplog.clear()
        predict_groups([group("a", 240.0)], [make_pairs(n - 1)], 3, Unfinished())
    assert "in all" not in caplog.text


def test_stored_fold_runs_tell_what_they_took(split: SplitStore) -> None:
    models = [model for group in predictor_of(split).groups() for model in group]
    assert all(model.run is not None and model.run.seconds > 0 for model in models)
