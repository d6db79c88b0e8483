"""Files that are damaged or edited at random: each is refused by its name, or read without losing a row.

`PREFENS_FUZZ_MUTANTS` says how many mutants there are, 2000 without it, and `PREFENS_FUZZ_SEED` which.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from prefens.core.errors import PrefensError
from prefens.core.files import link_tree, write_json
from prefens.core.leases.leases import Holder
from prefens.core.leases.processes import ProcessIdentity
from prefens.core.types import TOLERANCE
from prefens.runner.config import CONF_DIR
from prefens.runner.sweep import JobOutcome, Sweep
from tests.helpers.commands import QUIET
from tests.helpers.examples import make_pairs, make_tiny_encoder, write_csv, write_labels, write_probabilities
from tests.helpers.mutants import mutate, replace

MUTANTS = int(os.environ.get("PREFENS_FUZZ_MUTANTS", "2000"))
SEED = int(os.environ.get("PREFENS_FUZZ_SEED", "0"))
MEMBERS = ("style", "style-boosting", "tfidf", "textcnn", "hub")
ROWS = 12  # of the test file
FUNCTIONS = {"blend": "blend_members"}  # of commands that are not called as their function is
SMALL = ["text.max_length=48", "training.epochs=1", "training.batch_pairs=16"]


@dataclass(frozen=True)
class World:
    """A folder with data, a store with members of all kinds, a blend and a saved model.

    Attributes
    ----------
    folder : Path
        The folder; `runs` is its tracking root, and `whole` a copy of the store that nothing changes.
    """

    folder: Path

    @property
    def split(self) -> Path:
        return next((self.folder / "runs" / "store").glob("*"))

    def run(self, command: str, *overrides: str) -> Any:
        """Call the function of a command, with its settings composed as on the command line."""
        function = getattr(import_module(f"prefens.{command}"), FUNCTIONS.get(command, command))
        return function(settings(command, f"tracking.root={self.folder}/runs", f"out={self.folder}/out", *overrides))

    def train(self, backbone: str) -> None:
        self.run("train", *train_settings(self.folder, backbone))

    def predict(self, path: Path, *overrides: str) -> None:
        """Predict a file, or what the settings say; the submission must have probabilities for each row of the file."""
        self.run("predict", f"data.path={path}", *overrides)
        frame = pd.read_csv(self.folder / "out" / "submission.csv", dtype={"id": str}, keep_default_na=False)
        values = frame.drop(columns="id").to_numpy(np.float64)
        assert np.isfinite(values).all()
        assert (values >= 0).all()
        assert (abs(values.sum(axis=1) - 1) < TOLERANCE).all()
        assert len(frame) == count_rows(path), "rows are lost"

    def restore(self) -> None:
        """Make the store as it was."""
        shutil.rmtree(self.folder / "runs" / "store")
        link_tree(self.folder / "whole", self.folder / "runs" / "store")


def count_rows(path: Path) -> int:
    """Return the number of rows of a file, read by another library than prefens reads it with."""
    if path.suffix == ".parquet":
        return pq.ParquetFile(path).metadata.num_rows
    if path.suffix == ".feather":
        return pa.ipc.open_file(path).read_all().num_rows
    if path.suffix == ".jsonl":
        return sum(1 for line in path.read_bytes().split(b"\n") if line.strip())
    if path.suffix in (".gz", ".xz"):
        content = (gzip if path.suffix == ".gz" else lzma).decompress(path.read_bytes())
        path = path.with_name("unpacked")
        path.write_bytes(content)
    with path.open(encoding="latin-1", newline="") as stream:
        return sum(1 for cells in csv.reader(stream) if cells) - 1


@cache
def settings(command: str, *overrides: str) -> Any:
    untracked = [] if command == "status" else ["tracking=none"]
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF_DIR)):
        config = compose(command, [*untracked, *overrides], return_hydra_config=True)
    HydraConfig.instance().set_config(config)  # train asks it for what was said on the command line
    with open_dict(config):
        del config["hydra"]
    return config


def train_settings(folder: Path, backbone: str) -> list[str]:
    own = {
        "tfidf": QUIET[1:],
        "textcnn": SMALL,
        "style-boosting": ["backbone.rounds=5"],
        "hub": ["backbone.name=tiny", f"backbone.path={folder}/encoder", "training=frozen", *SMALL],
    }
    return [f"data.path={folder}/train.csv", "folds.k=2", f"backbone={backbone}", *own.get(backbone, [])]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    pairs, test = make_pairs(60), make_pairs(ROWS, seed=1)
    make_tiny_encoder("bert", folder / "encoder")
    write_csv(folder / "train.csv", pairs)
    write_csv(folder / "test.csv", test, labelled=False)
    generator = np.random.default_rng(0)
    for name in ("m1", "m2"):
        write_probabilities(folder / f"{name}.csv", pairs.ids, generator.dirichlet(np.ones(3), len(pairs)))
        write_probabilities(folder / f"{name}-test.csv", test.ids, generator.dirichlet(np.ones(3), len(test)))
    write_labels(folder / "labels.csv", pairs)
    pairs_frame = pd.read_csv(folder / "test.csv", dtype=str)
    pairs_frame.to_parquet(folder / "test.parquet")
    pairs_frame.to_feather(folder / "test.feather")
    pairs_frame.to_json(folder / "test.jsonl", orient="records", lines=True)
    (folder / "test.csv.gz").write_bytes(gzip.compress((folder / "test.csv").read_bytes()))
    (folder / "test.csv.xz").write_bytes(lzma.compress((folder / "test.csv").read_bytes()))
    made = World(folder)
    for backbone in MEMBERS:
        made.train(backbone)
    files = f"members=[{folder}/m1.csv,{folder}/m2.csv]"
    made.run("blend", "blender=all", "resamples=20", files, f"labels={folder}/labels.csv", f"out={folder}/files")
    made.run("blend", "blender=soft_vote", "resamples=20")
    methods = json.loads((folder / "files" / "blend.json").read_text("utf-8"))["methods"]
    plain = [entry["method"] for entry in methods if "+" not in entry["method"]]
    (folder / "methods.json").write_text(json.dumps(["best", *plain]))
    link_tree(folder / "runs" / "store", folder / "whole")
    write_json(folder / "runs" / "locks" / "fold-0.json", asdict(Holder(ProcessIdentity.current(), time.time())))
    sweep = Sweep(folder / "runs" / "hydra" / "2020-01-01" / "12-00-00")
    sweep.begin([["seed=0"]])
    sweep.note(sweep.folder / "0", JobOutcome(["seed=0"]))
    return made


Use = Callable[[World, Path], list[Callable[[], object]]]  # the commands that meet a mutant, in this order


@dataclass(frozen=True)
class Subject:
    """A kind of files, and the commands that read them.

    Attributes
    ----------
    patterns : sequence of str
        The files, as globs in the world's folder.
    commands : callable
        From the world and the mutant to calls of commands.
    share : float
        Of all mutants.
    forged : float
        How often the digests that are stored of the file are made to fit, so that its reader must find the fault.
    blended : float
        How often the members of the store are blended too, which takes as long as ten predictions.
    """

    patterns: Sequence[str]
    commands: Use
    share: float
    forged: float = 0.0
    blended: float = 0.0


def as_test(world: World, path: Path) -> list[Callable[[], object]]:
    return [partial(world.predict, path)]


def as_train(world: World, path: Path) -> list[Callable[[], object]]:
    data = f"data.path={path}"
    return [
        lambda: world.run("train", *train_settings(world.folder, "style"), data, f"tracking.root={world.folder}/new")
    ]


def as_members(world: World, path: Path) -> list[Callable[[], object]]:
    del path
    folder = world.folder
    files = [f"members=[{folder}/m1.csv,{folder}/m2.csv]", f"labels={folder}/labels.csv", f"out={folder}/other"]
    return [lambda: world.run("blend", "blender=soft_vote", "resamples=5", *files)]


def as_blend_file(world: World, path: Path) -> list[Callable[[], object]]:
    """Predict from files with each method of a blend.json."""
    del path
    folder = world.folder
    files = f"members={{m1: {folder}/m1-test.csv, m2: {folder}/m2-test.csv}}"
    methods = json.loads((folder / "methods.json").read_text())
    blend, test = f"blend={folder}/files/blend.json", folder / "m1-test.csv"
    return [partial(world.predict, test, blend, files, f"method={method}") for method in methods]


def as_store(world: World, path: Path) -> list[Callable[[], object]]:
    del path
    test = world.folder / "test.csv"
    predict = partial(world.predict, test)
    return [partial(world.run, "status"), predict, partial(world.predict, test, "method=soft_vote")]


def as_saved_model(world: World, path: Path) -> list[Callable[[], object]]:
    del path
    test = world.folder / "test.csv"
    return [partial(world.predict, test), partial(world.predict, test, f"model={world.split}/model")]


def as_healed(world: World, path: Path) -> list[Callable[[], object]]:
    """Train every member again, which heals what the data can make again."""
    del path
    return [
        *(partial(world.train, backbone) for backbone in MEMBERS),
        partial(world.predict, world.folder / "test.csv"),
    ]


def as_encoder(world: World, path: Path) -> list[Callable[[], object]]:
    del path
    new = f"tracking.root={world.folder}/new"
    return [lambda: world.run("train", *train_settings(world.folder, "hub"), "force=true", "fold=0", new)]


def as_beside(world: World, path: Path) -> list[Callable[[], object]]:
    """Files beside the store: caches, leases and sweeps, which are made again or cost nothing else."""
    del path
    again = [*train_settings(world.folder, "hub"), "force=true", "fold=0", f"tracking.root={world.folder}/runs"]
    return [partial(world.run, "status"), partial(world.run, "train", *again)]


STORE, MODEL = "runs/store/*/members/*/", "runs/store/*/members/*/fold-*/model/*"
SUBJECTS = {
    "test files": Subject(["test.*"], as_test, 0.25),
    "train file": Subject(["train.csv"], as_train, 0.05),
    "members' files": Subject(["m?.csv", "labels.csv"], as_members, 0.06),
    "members' test files": Subject(["m?-test.csv"], as_blend_file, 0.03),
    "blend.json": Subject(["files/blend.json"], as_blend_file, 0.1),
    "stored blend": Subject(["runs/store/*/blend/*"], as_store, 0.1, blended=0.15),
    "records": Subject(
        [STORE + "*.json", STORE + "fold-*/*.*", "runs/store/*/*.parquet"], as_store, 0.13, blended=0.15
    ),
    "models": Subject([MODEL], as_store, 0.15, forged=0.8, blended=0.1),
    "saved model": Subject(["runs/store/*/model/data/**/*"], as_saved_model, 0.08, forged=0.5),
    "healed": Subject([STORE + "*.json", STORE + "fold-*/*.*", MODEL, "runs/store/*/*.parquet"], as_healed, 0.03),
    "beside the store": Subject(["runs/cache/**/*.*", "runs/locks/*.json", "runs/hydra/**/*.json"], as_beside, 0.03),
    "encoder": Subject(["encoder/*"], as_encoder, 0.02),
}


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SUBJECTS)
def test_no_mutant_is_a_traceback_or_a_lost_row(world: World, name: str) -> None:
    subject = SUBJECTS[name]
    generator = np.random.default_rng([SEED, list(SUBJECTS).index(name)])
    faults: list[str] = []
    for mutant in range(round(MUTANTS * subject.share)):
        files = sorted({path for pattern in subject.patterns for path in world.folder.glob(pattern) if path.is_file()})
        path = files[generator.integers(len(files))]
        content = path.read_bytes()
        mutation = f"{name} {mutant}: {path.relative_to(world.folder)}: {mutate(path, generator)}"
        forged, blended = generator.random() < subject.forged, generator.random() < subject.blended
        if forged:
            forge(path)
        commands = subject.commands(world, path)
        if blended:
            commands.append(partial(world.run, "blend", "blender=soft_vote", "resamples=5"))
        faults += [f"{mutation}: {fault}" for fault in faults_of(commands, path)]
        replace(path, content)
        if forged or blended or subject.commands in (as_healed, as_beside):  # else nothing else has changed
            world.restore()
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults)


def faults_of(commands: Sequence[Callable[[], object]], path: Path) -> list[str]:
    """Call commands on a mutant; return what is neither a success nor a refusal that names the file or its folder."""
    faults = []
    for command in commands:
        try:
            with redirect_stdout(io.StringIO()):
                command()
        except PrefensError as error:
            if not any(name in str(error) for name in names_of(path)):
                faults.append(f"does not name the file: {error}")
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever it is, a panic of Rust too, a user would see a traceback
            place = traceback.extract_tb(error.__traceback__)[-1]
            faults.append(f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {error}"[:300])
    return faults


def names_of(path: Path) -> list[str]:
    """Return by what an error may name a file: its name, its folder, or what it is a file of."""
    owner = "the backbone" if path.name == "backbone.json" else f"member {'m1' if path.stem == 'labels' else path.stem}"
    return [path.name, str(path.parent), owner]


def forge(path: Path) -> None:
    """Write the size and the digest of a changed file into the records of its folders, and theirs into others'."""
    for folder in path.parents:
        for record in (folder / "run.json", folder / "manifest.json"):
            if not record.is_file() or record == path:
                continue
            content = json.loads(record.read_text("utf-8"))
            name = path.relative_to(folder).as_posix()
            if name in content["files"]:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                content["files"][name] = {"size": path.stat().st_size, "sha256": digest}
                replace(record, json.dumps(content).encode())
                forge(record)
