"""The files of a stored model, of any origin: each is checked, and a refusal names it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from prefens.core.errors import PrefensError
from prefens.data.text.settings import TextSettings
from prefens.inference.fold_models import load_model
from prefens.members.base import Context, Member
from prefens.members.encoder import EncoderMember
from prefens.members.nn.heads import HeadSettings
from prefens.members.style import StyleMember, StyleModel
from prefens.members.textcnn import TextCnnMember
from prefens.members.tfidf import TfidfMember
from prefens.members.training.settings import Mode, TrainingSettings
from prefens.store.member_spec import MemberSpec
from tests.helpers.examples import make_pairs, make_tiny_encoder

PAIRS = make_pairs(40)
BRIEF = TrainingSettings(epochs=1, batch_pairs=20)
SHORT = TextSettings(max_length=24)
MAKE: dict[str, Callable[[Path], Member]] = {
    "style": lambda _: StyleMember("style", strengths=[0.1]),
    "boosting": lambda _: StyleMember("style", StyleModel.boosting, rounds=2, min_rows=5),
    "tfidf": lambda _: TfidfMember("tfidf", bits=4, strengths=[0.1]),
    "textcnn": lambda _: TextCnnMember(
        "textcnn", SHORT, head=HeadSettings(style=True), training=BRIEF, vocabulary=50, dimension=4, filters=2
    ),
    "encoder": lambda path: EncoderMember("tiny", SHORT, training=BRIEF, path=str(path)),
    "frozen": lambda path: EncoderMember(
        "tiny", SHORT, training=TrainingSettings(epochs=1, batch_pairs=20, mode=Mode.frozen), path=str(path)
    ),
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_encoder("bert", tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module", params=MAKE)
def saved(request: pytest.FixtureRequest, encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The kind and the folder of a stored model."""
    member = MAKE[request.param](encoder)
    member.fit(PAIRS, None, Context(seed=0, inner=(np.arange(len(PAIRS)) % 2).astype(np.int8)))
    folder = tmp_path_factory.mktemp(request.param)
    member.save(folder)
    return member.kind, folder


def tensors(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Callable[[Path], None]:
    return lambda path: save_file(change(load_file(path)), path)


def fields(path: Path) -> list[tuple[Any, ...]]:
    def walk(value: Any, way: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        inner = value.items() if isinstance(value, dict) else ()
        return [way, *(place for name, part in inner for place in walk(part, (*way, name)))]

    return walk(json.loads(path.read_text()), ())[1:]


def check(kind: str, folder: Path, path: Path) -> bool:
    """Whether a changed model is refused, by the file's name or its folder's; one that is not predicts numbers."""
    spec = MemberSpec(kind, kind, {}, 0, "d" * 64, "f" * 64)
    message = None
    try:
        predicted = load_model(spec, folder, [folder / "none"]).predict_proba(PAIRS)
    except PrefensError as error:
        message = str(error)
    if message is None:
        assert np.isfinite(predicted).all()
        return False
    assert str(folder) in message or "fingerprint" in message
    assert len(message) < 1500
    return True


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda content: content[: len(content) // 2],
    "a pointer": lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:4665a5ea\nsize 638976\n",
    "zeros": lambda content: bytes(len(content)),
    "a huge header": lambda content: (2**60).to_bytes(8, "little") + content[8:],
    "null": lambda _: b"null",
    "a list": lambda _: b"[]",
    "an object": lambda _: b"{}",
}


def test_files_of_other_bytes_are_refused(saved: tuple[str, Path], tmp_path: Path) -> None:
    kind, folder = saved
    assert not check(kind, folder, folder)
    names = [path.name for path in folder.iterdir()]
    needed = {"settings.json", "model.safetensors", "scaling.safetensors", "ngrams.safetensors", "backbone.json"}
    for name in names:
        for label, change in BYTES.items():
            copy = tmp_path / f"{name}-{label}"
            shutil.copytree(folder, copy)
            (copy / name).write_bytes(change((folder / name).read_bytes()))
            refused = check(kind, copy, copy / name)
            assert refused or name not in needed, (name, label)
        copy = tmp_path / f"{name}-gone"
        shutil.copytree(folder, copy)
        (copy / name).unlink()
        refused = check(kind, copy, copy / name)
        assert refused or name not in needed - {"backbone.json"}, name


CHANGES: dict[str, Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]] = {
    "nan": lambda all_: {n: t * float("nan") if t.is_floating_point() else t for n, t in all_.items()},
    "infinite": lambda all_: {n: t - float("inf") if t.is_floating_point() else t for n, t in all_.items()},
    "names": lambda all_: {f"{name}x": tensor for name, tensor in all_.items()},
    "one more": lambda all_: {**all_, "other": torch.ones(1)},
    "one less": lambda all_: dict(sorted(all_.items())[1:]),
    "longer": lambda all_: {name: torch.cat([tensor, tensor]) for name, tensor in all_.items()},
    "one value": lambda all_: {name: tensor.flatten()[:1].clone() for name, tensor in all_.items()},
    "other types": lambda all_: {name: tensor.to(torch.bfloat16) for name, tensor in all_.items()},
    "none": lambda all_: {},
}


def test_tensors_of_other_names_shapes_types_or_values_are_refused(saved: tuple[str, Path], tmp_path: Path) -> None:
    kind, folder = saved
    for path in folder.glob("*.safetensors"):
        for label, change in CHANGES.items():
            copy = tmp_path / f"{path.name}-{label}"
            shutil.copytree(folder, copy)
            tensors(change)(copy / path.name)
            assert check(kind, copy, copy / path.name), (path.name, label)


def test_fields_of_json_are_refused_or_harmless(saved: tuple[str, Path], tmp_path: Path) -> None:
    kind, folder = saved
    for name in ("settings.json", "backbone.json", "config.json"):
        if not (folder / name).exists():
            continue
        for number, place in enumerate(fields(folder / name)):
            for label, value in enumerate([None, "os.system", -1, [], {}, float("inf"), "../../../../../../tmp/x"]):
                copy = tmp_path / f"{name}-{number}-{label}"
                shutil.copytree(folder, copy, copy_function=shutil.copy)
                content = json.loads((folder / name).read_text())
                parent = content
                for part in place[:-1]:
                    parent = parent[part]
                parent[place[-1]] = value
                (copy / name).write_text(json.dumps(content))
                check(kind, copy, copy / name)
                shutil.rmtree(copy)
