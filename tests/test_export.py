"""The command that exports a fold model or a full fit, and what it refuses."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from safetensors.torch import load_file

from prefens.core.errors import ConfigError, StoreError
from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.sources import FileSource
from prefens.data.text.settings import TextSettings
from prefens.export import export
from prefens.members.encoder import EncoderMember
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.style import StyleMember
from prefens.members.training.settings import Mode, Save, TrainingSettings
from prefens.runner import config
from prefens.runner.trainer import Trainer
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.decoders import make_tiny_decoder
from tests.helpers.examples import make_pairs, write_csv


def exported(*overrides: str) -> None:
    with initialize_config_dir(str(config.CONF_DIR), version_base="1.3"):
        export(compose("export", overrides=["tracking=none", *overrides]))  # type: ignore[arg-type]


def test_a_fold_model_and_the_full_fit_are_exported_by_name_and_others_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    backbone = make_tiny_decoder("qwen2", tmp_path / "qwen2")
    corpus = make_corpus(FileSource(path=str(write_csv(Path("train.csv"), make_pairs(40)))), FoldSettings(k=2))
    split = OOFStore(Path("runs")).put_folds(corpus.folds)
    digests = corpus.folds.data_digest, corpus.folds.digest
    training = TrainingSettings(mode=Mode.frozen, lr=1e-2, head_lr=1e-2, epochs=1, batch_pairs=8, save=Save.fp32)
    head, text = HeadSettings(HeadKind.davidson, hidden=0, style=False), TextSettings(max_length=64)
    trainer = Trainer(corpus, split, NoTracker(), Path("runs"))
    decoder, style = MemberSpec("qwen", "encoder", {}, 0, *digests), MemberSpec("style", "style", {}, 0, *digests)
    make = lambda: EncoderMember("hub/qwen", text, head=head, training=training, path=str(backbone))  # noqa: E731
    trainer.train_member(decoder, make, range(2))
    trainer.train_member(style, lambda: StyleMember("style", strengths=[0.01]), range(2))
    exported(f"member={decoder.name}", "fold=1", "out=model")
    assert {path.name for path in Path("model").iterdir()} >= {"config.json", "model.safetensors", "README.md"}
    assert f"fold model 1 of 2 of {decoder.name}" in capsys.readouterr().out
    assert f"`{decoder.name}`" in (Path("model") / "README.md").read_text()
    for overrides, error, said in (
        ((), ConfigError, decoder.name),
        (("member=gpt",), StoreError, "no member gpt"),
        ((f"member={decoder.name}", "fold=2"), ConfigError, "0 to 1, the member's folds, or all"),
        ((f"member={decoder.name}", "fold=first"), ConfigError, "fold=first"),
        ((f"member={decoder.name}", "fold=all"), StoreError, f"(?s){decoder.name} has no full fit.*full=true"),
        ((f"member={style.name}",), ConfigError, "kind style"),
    ):
        with pytest.raises(error, match=said):
            exported(*overrides)
    trainer.train_full(decoder, make)
    exported(f"member={decoder.name}", "fold=all", "out=full")
    assert f"the full fit of {decoder.name}" in capsys.readouterr().out
    assert f"It is the full fit of the member `{decoder.name}`" in (Path("full") / "README.md").read_text()
    for out, fold in (("model", 1), ("full", split.k)):
        stored = EncoderMember.load(split.fold_dir(decoder.name, fold) / "model").model
        assert stored is not None
        weights = load_file(Path(out) / "model.safetensors")["score.weight"]
        assert weights.equal(stored.head.body[-1].weight)  # type: ignore[index, union-attr]
