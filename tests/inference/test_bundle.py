"""Bundles carry adapters and say which backbones to attach; these are told by their content, whatever their folder."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from prefens.core.errors import BackboneError, StoreError
from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.sources import FileSource
from prefens.data.text.settings import TextSettings
from prefens.inference import bundle
from prefens.inference.attachments import Attachment, link_backbones
from prefens.inference.predictor import Predictor
from prefens.members.backbone_files import fingerprint
from prefens.members.encoder import EncoderMember
from prefens.members.training.settings import Mode, Save, TrainingSettings
from prefens.runner.console import bundle_table
from prefens.runner.trainer import Trainer
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.decoders import make_tiny_decoder
from tests.helpers.examples import make_blend, make_pairs, make_tiny_encoder, write_csv

BACKBONES = {"llama": Mode.lora, "qwen2": Mode.frozen, "bert": Mode.full}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> SplitStore:
    """A blend of adapters on one decoder, a head on another, and an encoder of which all weights were trained."""
    root = tmp_path_factory.mktemp("trained")
    corpus = make_corpus(FileSource(path=str(write_csv(root / "train.csv", make_pairs(40)))), FoldSettings(k=2))
    stored = OOFStore(root / "runs").put_folds(corpus.folds)
    digests = corpus.folds.data_digest, corpus.folds.digest
    for name, mode in BACKBONES.items():
        make_backbone = make_tiny_encoder if name == "bert" else make_tiny_decoder
        path = make_backbone(name, root / "models" / name)
        training = TrainingSettings(mode=mode, lr=1e-2, epochs=1, batch_pairs=8, save=Save.fp32)
        make = lambda n=name, p=path, t=training: EncoderMember(f"hub/{n}", TextSettings(64), path=str(p), training=t)  # noqa: E731
        spec = MemberSpec(name, "encoder", {"mode": mode.name}, 0, *digests)
        Trainer(corpus, stored, NoTracker(), root / "runs").train_member(spec, make, range(2))
    make_blend(stored, {spec.name: 1 / 3 for spec in stored.members()})
    return stored


@pytest.fixture
def made(trained: SplitStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle, and inputs that have the backbones under other names; those of the training are gone."""
    monkeypatch.setattr(bundle, "build_wheels", lambda _, folder: folder.mkdir())
    shutil.copytree(trained.root.parent, tmp_path / "copy")
    (split,) = OOFStore(tmp_path / "copy" / "runs").splits()
    contents = bundle.make_bundle(split, "best", [], tmp_path / "input" / "bundle", [tmp_path / "copy" / "models"])
    assert [each["name"] for each in contents["attach"]] == ["hub/llama", "hub/qwen2"]  # type: ignore[attr-defined]
    shown = [str(Attachment(**each)) for each in contents["attach"]]  # type: ignore[attr-defined]
    assert all(f"as the folder {name}-" in text for name, text in zip(("llama", "qwen2"), shown, strict=True))
    assert bundle_table(contents, "out").row_count == 4
    for number, name in enumerate(("llama", "qwen2")):
        shutil.move(tmp_path / "copy" / "models" / name, tmp_path / "input" / "models" / "transformers" / str(number))
    return tmp_path / "input"


def predictor_of(input_folder: Path, backbones: Path) -> Predictor:
    (split,) = OOFStore(input_folder / "bundle" / "runs").splits()
    return Predictor.of_store(split, "best", [backbones])


def test_a_bundle_without_backbones_predicts_what_the_store_does(
    trained: SplitStore, made: Path, tmp_path: Path
) -> None:
    pairs = make_pairs(12, seed=1)
    expected = Predictor.of_store(trained, "best").predict_pairs(pairs)
    original = trained.root.parent / "models"
    hidden = original.rename(original.with_name("hidden"))
    try:
        assert not list((made / "bundle").rglob("backbones/*"))
        for path in (made / "bundle").rglob("model.safetensors"):
            mode = BACKBONES[path.parts[-4].split("-")[0]]
            of_encoder = [name for name in load_file(path) if name.startswith("encoder.")]
            assert bool(of_encoder) == (mode is not Mode.frozen)
            assert mode is Mode.full or all(".lora_" in name for name in of_encoder)
        link_backbones(made / "bundle", made, tmp_path / "links")
        link_backbones(made / "bundle", made, tmp_path / "links")  # a notebook's cell is run again
        np.testing.assert_array_equal(predictor_of(made, tmp_path / "links").predict_pairs(pairs), expected)
        named = tmp_path / "named"  # as backbones= has them, by the last part of their names
        for place in (tmp_path / "links").iterdir():
            shutil.copytree(place, named / place.name.rsplit("-", 1)[0])
        np.testing.assert_array_equal(predictor_of(made, named).predict_pairs(pairs), expected)
        with pytest.raises(BackboneError) as both:
            predictor_of(made, tmp_path / "nothing").predict_pairs(pairs)
        assert "hub/llama" in both.value.came
        assert "hub/qwen2" in both.value.came
        with pytest.raises(BackboneError) as both:
            bundle.make_bundle(trained, "best", [], tmp_path / "second")
        assert "hub/llama" in both.value.came
        assert "hub/qwen2" in both.value.came
    finally:
        hidden.rename(original)


def test_all_missing_backbones_are_named_with_what_is_there(made: Path, tmp_path: Path) -> None:
    first = made / "models" / "transformers" / "0"
    shutil.rmtree(made / "models" / "transformers" / "1")
    config = json.loads((first / "config.json").read_text())
    (first / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-3}))
    with pytest.raises(BackboneError) as caught:
        link_backbones(made / "bundle", made, tmp_path / "links")
    assert "hub/llama" in caught.value.came
    assert "hub/qwen2" in caught.value.came
    assert f"{first}: {fingerprint(first)[:12]}" in caught.value.came
    (made / "bundle" / "prefens-bundle.json").write_text('{"attach": [{"name": 1}]}')
    with pytest.raises(StoreError, match=r"prefens-bundle\.json"):
        link_backbones(made / "bundle", made, tmp_path / "links")
