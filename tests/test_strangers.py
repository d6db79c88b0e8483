"""Stores, bundles, saved models and blend files from a stranger: reading one executes nothing and writes nowhere else.

Each payload would create the file `ran`. It lies where a reader that trusts names, pickles or paths would find it; the
commands may refuse it, but not run it, and not with a traceback of their own.
"""

import json
import os
import pickle
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from prefens.core.errors import StoreError
from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.sources import FileSource
from prefens.data.text.settings import TextSettings
from prefens.inference.predictor import Predictor
from prefens.inference.saved_model import save_best
from prefens.members.base import Member
from prefens.members.encoder import EncoderMember
from prefens.members.style import StyleMember, StyleModel
from prefens.members.training.checkpoint import Checkpoint
from prefens.members.training.settings import TrainingSettings
from prefens.runner.trainer import Trainer
from prefens.store.integrity import MANIFEST, record_files, write_manifest
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.commands import prefens
from tests.helpers.examples import make_blend, make_pairs, make_tiny_encoder, write_csv

WORDS = ["evil.Payload", "evil:Payload", "os.system", "sklearn.utils._testing.check_output", "prefens.evil"]


class Payload:
    """What a pickle of it runs: a command that creates a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.canary}'",)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a whole store: style, boosting and encoder members, a blend and its saved model."""
    folder = tmp_path_factory.mktemp("given")
    encoder = make_tiny_encoder("bert", folder / "encoder")
    data = write_csv(folder / "train.csv", make_pairs(40))
    write_csv(folder / "test.csv", make_pairs(8, seed=3), labelled=False)
    corpus = make_corpus(FileSource(path=str(data)), FoldSettings(k=2))
    split = OOFStore(folder / "runs").put_folds(corpus.folds)
    brief = TrainingSettings(epochs=1, batch_pairs=20)
    makes: dict[str, Callable[[], Member]] = {
        "style": lambda: StyleMember("style", strengths=[0.1]),
        "boosting": lambda: StyleMember("style", StyleModel.boosting, rounds=2, min_rows=5),
        "encoder": lambda: EncoderMember("tiny", TextSettings(max_length=24), training=brief, path=str(encoder)),
    }
    for name, make in makes.items():
        kind = "encoder" if name == "encoder" else "style"
        spec = MemberSpec(name, kind, {"kind": kind}, 0, corpus.folds.data_digest, corpus.folds.digest)
        Trainer(corpus, split, NoTracker(), folder / "runs").train_member(spec, make, range(2))
    make_blend(split, {spec.name: 1 / 3 for spec in split.members()})
    assert save_best(split) is not None
    MlflowTracker(folder / "runs", "prefens")
    return folder


@pytest.fixture
def folder(given: Path, tmp_path: Path) -> Path:
    """A copy to change. The working folder of the commands is beside it; `evil` can be imported there."""
    shutil.copytree(given, tmp_path / "given")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Payload: pass\n")
    return tmp_path / "given"


def split_of(folder: Path) -> SplitStore:
    return OOFStore(folder / "runs").select()


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def models(folder: Path) -> Iterator[Path]:
    """Yield the folders of all fold models, those in the saved model included."""
    yield from (path.parent for path in folder.rglob("settings.json"))


def reseal(folder: Path) -> None:
    """Record the files as they are now: a stranger's digests are right."""
    for path in sorted(folder.rglob("run.json"), key=lambda path: "model" in path.parts):
        recorded = set(json.loads(path.read_text())["files"])
        files = {name: asdict(file) for name, file in record_files(path.parent).items() if name in recorded}
        edit(path, lambda content, files=files: content | {"files": content["files"] | files})
    for path in folder.rglob(MANIFEST):
        path.unlink()
        write_manifest(path.parent)


def kinds_are_paths(folder: Path, canary: Path) -> None:
    for number, path in enumerate(folder.rglob("member.json")):
        word = WORDS[number % len(WORDS)]
        edit(path, lambda content, word=word: content | {"kind": word, "target": word, "_target_": word})


def methods_are_paths(folder: Path, canary: Path) -> None:
    state = {"method": "evil.Payload", "_target_": "evil.Payload", "members": 3, "weights": [1 / 3] * 3}
    edit(split_of(folder).blend_path, lambda blend: blend | {"methods": [blend["methods"][0] | {"state": state}]})
    for path in folder.rglob("predictor.json"):
        edit(path, lambda content: content | {"state": state, "loader_module": "evil"})


def settings_name_code(folder: Path, canary: Path) -> None:
    for model in models(folder):
        edit(model / "settings.json", lambda content: content | {"_target_": "evil.Payload", "model": "evil.Payload"})


def pickles_lie_everywhere(folder: Path, canary: Path) -> None:
    names = ["model.skops", "model.pkl", "model.joblib", "pytorch_model.bin", "training_args.bin", "cache.npy", "x.pt"]
    for place in [*models(folder), *(path.parent for path in folder.rglob("*.parquet")), *folder.rglob("data")]:
        for name in names:
            (place / name).write_bytes(pickle.dumps(Payload(canary)))


def weights_are_pickles(folder: Path, canary: Path) -> None:
    for number, path in enumerate([*folder.rglob("*.safetensors")]):
        if number % 2:
            torch.save({"weights": Payload(canary)}, path)
        else:
            path.write_bytes(pickle.dumps(Payload(canary)))


def modules_lie_beside(folder: Path, canary: Path) -> None:
    auto = dict.fromkeys(("AutoConfig", "AutoModel", "AutoTokenizer"), "modeling_x.Payload")
    for model in [*models(folder), *folder.rglob("data")]:
        for name in ("modeling_x", "sitecustomize", "conftest", "__init__", "evil", "tokenization_x"):
            (model / f"{name}.py").write_text(f"open({str(canary)!r}, 'w')\n")
        for name in ("config.json", "tokenizer_config.json"):
            if (model / name).exists():
                custom = {"auto_map": auto, "tokenizer_class": "tokenization_x.Payload", "_name_or_path": "evil/evil"}
                edit(model / name, lambda content, custom=custom: content | custom)


def kernels_are_named(folder: Path, canary: Path) -> None:
    for path in folder.rglob("config.json"):
        edit(path, lambda content: content | {"_attn_implementation": "evil/kernel", "model_type": "evil"})


def the_saved_model_has_its_own_code(folder: Path, canary: Path) -> None:
    code = f"open({str(canary)!r}, 'w')\n"
    model = split_of(folder).path / "model"
    for path in [*(model / "code").rglob("*.py")]:
        path.write_text(code)
    described = (model / "MLmodel").read_text().replace("prefens.inference.saved_model", "evil")
    (model / "MLmodel").write_text(f"{described}\nevil: !!python/object/apply:os.system ['touch {canary}']\n")


def tables_have_types_of_their_own(folder: Path, canary: Path) -> None:
    """Arrow once unpickled extension types of Python."""
    content = pickle.dumps(Payload(canary))
    metadata = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": content}
    for path in folder.rglob("*.parquet"):
        table = pq.read_table(path)
        fields = [field.with_metadata(metadata) for field in table.schema]
        described = table.schema.metadata | {b"pandas": content}
        pq.write_table(table.cast(pa.schema(fields, described)), path)


def names_lead_out(folder: Path, canary: Path) -> None:
    outside = f"../../../../../{canary.name}"
    edit(
        split_of(folder).blend_path,
        lambda blend: blend | {"members": [m | {"member": f"{outside}{n}"} for n, m in enumerate(blend["members"])]},
    )
    for path in folder.rglob("predictor.json"):
        edit(path, lambda content: content | {"members": [f"{outside}{n}" for n in range(3)]})
    for path in folder.rglob("run.json"):
        edit(path, lambda content: content | {"files": {outside: 3, "/etc/passwd": 3}})
    for path in folder.rglob("member.json"):
        edit(path, lambda content: content | {"external": outside, "name": outside})


def links_lead_out(folder: Path, canary: Path) -> None:
    for model in models(folder):
        (model / "notes.txt").unlink(missing_ok=True)
        (model / "notes.txt").symlink_to("/etc/passwd")


def the_database_leads_out(folder: Path, canary: Path) -> None:
    with closing(sqlite3.connect(folder / "runs" / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = ?", (canary.as_uri(),))


def the_database_has_triggers(folder: Path, canary: Path) -> None:
    move = f"UPDATE runs SET artifact_uri = '{canary.as_uri()}' WHERE run_uuid = new.run_uuid"
    with closing(sqlite3.connect(folder / "runs" / "mlflow.db")) as connection, connection:
        connection.execute(f"CREATE TRIGGER IF NOT EXISTS t AFTER INSERT ON runs BEGIN {move}; END")


PAYLOADS = [
    kinds_are_paths, methods_are_paths, settings_name_code, pickles_lie_everywhere, weights_are_pickles,
    modules_lie_beside, kernels_are_named, the_saved_model_has_its_own_code, tables_have_types_of_their_own,
    names_lead_out, links_lead_out, the_database_leads_out,
    the_database_has_triggers,
]  # fmt: skip


def run(command: str, work: Path, *arguments: str) -> None:
    """Run a command that may refuse, but not fail unexpectedly."""
    try:
        done = prefens(command, f"tracking.root={work.parent}/given/runs", *arguments, cwd=work)
        text = done.stderr
    except AssertionError as refused:
        text = str(refused)
    assert "Traceback" not in text
    assert "unexpected error" not in text


def check(folder: Path, commands: dict[str, list[str]]) -> None:
    """Run commands on a store; none may run its payload, or write anywhere but below the root and out=."""
    work = folder.parent / "work"
    for command, arguments in commands.items():
        run(command.split()[0], work, *arguments, f"out={work}/out")
    assert not (folder.parent / "ran").exists()
    assert {path.name for path in work.iterdir()} <= {"evil.py", "out"}
    assert {path.name for path in folder.parent.iterdir()} == {"given", "work"}
    assert {path.name for path in folder.iterdir()} == {"encoder", "train.csv", "test.csv", "runs"}


@pytest.mark.parametrize("spoil", PAYLOADS, ids=lambda spoil: spoil.__name__)
def test_predicting_from_a_strangers_store_runs_nothing(folder: Path, spoil: Callable[[Path, Path], None]) -> None:
    model = split_of(folder).path / "model"
    spoil(folder, folder.parent / "ran")
    reseal(folder)
    test = f"data.path={folder}/test.csv"
    check(folder, {"predict": [test], "predict model": [test, f"model={model}"]})


@pytest.mark.slow
@pytest.mark.parametrize("spoil", PAYLOADS, ids=lambda spoil: spoil.__name__)
def test_no_command_runs_what_a_strangers_store_holds(folder: Path, spoil: Callable[[Path, Path], None]) -> None:
    blend, train = split_of(folder).blend_path, f"data.path={folder}/train.csv"
    spoil(folder, folder.parent / "ran")
    reseal(folder)
    check(
        folder,
        {"predict files": [f"blend={blend}", f"members={{a: {folder}/test.csv}}"], "status": [], "blend": [train]},
    )
    spoil(folder, folder.parent / "ran")  # the blend may have written a new one
    reseal(folder)
    check(folder, {"report": [train], "kaggle": ["packages=[]"]})
    run("sync", folder.parent / "work")
    check(folder, {})


def test_links_are_not_followed_into_a_bundle(folder: Path, tmp_path: Path) -> None:
    links_lead_out(folder, tmp_path / "ran")
    with pytest.raises(StoreError, match="symbolic link"):
        Predictor.of_store(split_of(folder), "best").save(tmp_path / "saved")


def test_a_checkpoint_is_data_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    torch.save({"key": "k", "seconds": 1.0, "model": Payload(tmp_path / "ran")}, path)
    state: Any = SimpleNamespace(load_state_dict=lambda _: None)
    assert not Checkpoint(path, "k", 1.0).restore(state)
    assert [each.name for each in tmp_path.iterdir()] == []  # it is deleted, and has run nothing


def test_a_store_that_is_sealed_again_is_whole(folder: Path) -> None:
    """The other tests get past the digests: a change that does no harm is read."""
    split = split_of(folder)
    for model in models(folder):
        edit(model / "settings.json", lambda content: content | {"_target_": "evil.Payload"})
    reseal(folder)
    predictor = Predictor.load(split.path / "model" / "data")
    assert Predictor.of_store(split, "best").predict_pairs(make_pairs(3)).shape == (3, 3)
    assert predictor.predict_pairs(make_pairs(3)).shape == (3, 3)
