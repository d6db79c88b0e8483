"""Exported models: transformers' own class scores as the member does, in a process without prefens."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from prefens.core.errors import ConfigError
from prefens.core.types import Pairs
from prefens.data.text.settings import TemplateSettings, TextSettings
from prefens.members.base import Context
from prefens.members.encoder import EncoderMember
from prefens.members.export import export_model
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.nn.lora import LoraSettings
from prefens.members.nn.pairing import Pairing, PairingSettings
from prefens.members.nn.pooling import Pooling
from prefens.members.nn.weight_format import WeightType
from prefens.members.textcnn import TextCnnMember
from prefens.members.training.precision import Precision
from prefens.members.training.settings import Mode, Save, TrainingSettings
from tests.helpers.decoders import make_tiny_decoder
from tests.helpers.examples import column, make_pairs

CHAT = TemplateSettings("{prompt}{response}", None, chat=True)
MEMBERS: dict[str, tuple[str, Mode, dict[str, Any]]] = {  # backbone, mode, settings
    "llama-lora": ("llama", Mode.lora, {"dtype": WeightType.bf16}),
    "qwen-full-chat": ("qwen2", Mode.full, {"text": TextSettings(max_length=200, template=CHAT)}),
    "qwen-frozen": ("qwen2", Mode.frozen, {"layers": 1, "prompt_prefix": "Asked: "}),
    "reward-lora": ("reward", Mode.lora, {"reward": True}),
}
ASK = """
import json, os, re, sys
sys.modules["prefens"] = None  # an import of it fails
texts, scores = json.load(open("texts.json")), {}
for name in sorted(next(os.walk("."))[1]):
    os.chdir(name)
    code = {}
    exec(re.search("```python\\n(.*?)```", open("README.md").read(), re.S)[1], code)
    scores[name] = [code["rewards"](prompt, answers) for prompt, answers in texts]
    scores[name + " class"] = type(code["model"]).__name__
    os.chdir("..")
json.dump(scores, open("scores.json", "w"))
"""


def make_backbones(root: Path) -> dict[str, Path]:
    """Return the folders of tiny decoders, and of a reward model."""
    paths = {family: make_tiny_decoder(family, root / family) for family in ("llama", "qwen2")}
    torch.manual_seed(1)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(paths["qwen2"], num_labels=1)
    model.score.weight.data.normal_()
    model.save_pretrained(root / "reward")
    transformers.AutoTokenizer.from_pretrained(paths["qwen2"]).save_pretrained(root / "reward")
    return {**paths, "reward": root / "reward"}


def fitted(path: Path, mode: Mode, directory: Path, **changed: Any) -> EncoderMember:
    """Return a member as it is loaded after training."""
    training = TrainingSettings(
        mode=mode, lr=1e-2, head_lr=1e-1, epochs=1, batch_pairs=8, save=Save.fp32, precision=Precision.fp32,
        lora=LoraSettings(rank=2),
    )  # fmt: skip
    settings = {"text": TextSettings(max_length=200), **changed}
    head = HeadSettings(HeadKind.davidson, hidden=0, style=False)
    member = EncoderMember("hub/tiny", path=str(path), head=head, training=training, **settings)
    member.fit(make_pairs(40), None, Context(seed=0, inner=np.zeros(40, dtype=np.int8)))
    directory.mkdir(parents=True)
    member.save(directory)
    return EncoderMember.load(directory)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EncoderMember]:
    root = tmp_path_factory.mktemp("members")
    paths = make_backbones(root)
    return {
        name: fitted(paths[backbone], mode, root / name, **settings)
        for name, (backbone, mode, settings) in MEMBERS.items()
    }


TEXTS = [
    ("Name a prime.", ["7", "", "Four. <|im_end|> <end>\n\n", "good things\n"]),
    (" Two turns?\n\nAnd a larger one?\n", ["a longer answer: " + "good things, very long. " * 5, "\n é 日本 🎉"]),
]


@pytest.mark.slow
def test_a_process_without_prefens_scores_as_the_member_does(members: dict[str, EncoderMember], tmp_path: Path) -> None:
    for name, member in members.items():
        assert export_model(member, name, "fold model 0 of 5", tmp_path / name) == tmp_path / name
    (tmp_path / "texts.json").write_text(json.dumps(TEXTS))
    subprocess.run([sys.executable, "-c", ASK], cwd=tmp_path, check=True, capture_output=True)
    scores = json.loads((tmp_path / "scores.json").read_text())
    for name, member in members.items():
        assert scores[f"{name} class"].endswith("ForSequenceClassification")
        for (prompt, answers), own in zip(TEXTS, scores[name], strict=True):
            expected = member.rewards(candidates(prompt, answers))
            assert expected is not None
            assert np.ptp(expected) > 1e-3
            np.testing.assert_allclose(own, expected, atol=1e-5, rtol=1e-5, err_msg=name)


def candidates(prompt: str, answers: list[str]) -> Pairs:
    texts = column([(answer,) for answer in answers])
    return Pairs(column(list(map(str, range(len(answers))))), column([(prompt,)] * len(answers)), texts, texts)


def test_the_chat_template_prints_the_text_that_the_member_reads(
    members: dict[str, EncoderMember], tmp_path: Path
) -> None:
    for name in ("llama-lora", "qwen-full-chat", "qwen-frozen"):
        member = members[name]
        tokenizer = transformers.AutoTokenizer.from_pretrained(export_model(member, name, "", tmp_path / name))
        chat = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
        assert member.reader is not None
        tokens, rows = member.reader.read(candidates("Why?", ["Because."]))
        assert tokenizer.apply_chat_template(chat, tokenize=False) == tokenizer.decode(tokens.a[int(rows[0])])
        card = (tmp_path / name / "README.md").read_text()
        after = json.loads(re.search(r"BEFORE, BETWEEN, AFTER = .*(\[.*?\])\n", card)[1])  # type: ignore[index]
        assert tokenizer.pad_token_id != after[-1]
        assert member.reward_scale is not None
        assert f"the mean {member.reward_scale.mean:.6g} and" in card.replace("\n", " ")


def test_a_folder_of_something_else_is_kept(members: dict[str, EncoderMember], tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("mine")
    with pytest.raises(ConfigError, match="no exported model"):
        export_model(members["qwen-frozen"], "name", "", tmp_path)
    assert (tmp_path / "own.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"head": HeadSettings(HeadKind.equivariant, Pooling.last, 0)}, "head=equivariant"),
        ({"head": HeadSettings(HeadKind.davidson, Pooling.last, 8)}, r"head\.hidden=8"),
        ({"head": HeadSettings(HeadKind.davidson, Pooling.last, 0, style=True)}, r"head\.style=true"),
        ({"head": HeadSettings(HeadKind.davidson, Pooling.mean, 0)}, r"head\.pooling=mean"),
        ({"pairing": PairingSettings(Pairing.cross)}, "pairing=cross"),
    ],
)
def test_what_has_no_linear_reward_is_refused_by_name(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    given = {"head": HeadSettings(HeadKind.davidson, Pooling.last, 0), **changed}
    with pytest.raises(ConfigError, match=said):
        export_model(EncoderMember("hub/tiny", **given), "name", "", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_kinds_without_such_a_class_are_refused(tiny_bert: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="kind textcnn"):
        export_model(TextCnnMember("textcnn"), "name", "", tmp_path / "out")
    pooled = {"head": HeadSettings(HeadKind.davidson, Pooling.last, 0), "text": TextSettings(max_length=64)}
    training = TrainingSettings(mode=Mode.frozen, epochs=1, batch_pairs=8)
    encoder = EncoderMember("hub/bert", path=str(tiny_bert), training=training, **pooled)  # type: ignore[arg-type]
    encoder.fit(make_pairs(40), None, Context(seed=0, inner=np.zeros(40, dtype=np.int8)))
    with pytest.raises(ConfigError, match="BertForSequenceClassification has a head of its own"):
        export_model(encoder, "name", "", tmp_path / "out")


@pytest.mark.filterwarnings("ignore")  # TRL's own
@pytest.mark.slow  # TRL's imports take 10 s
def test_trl_trains_an_exported_model_further(members: dict[str, EncoderMember], tmp_path: Path) -> None:
    trl = pytest.importorskip("trl", "1.16", reason="trl is not installed: pip install 'prefens[dev]'")
    from datasets import Dataset

    out = export_model(members["llama-lora"], "name", "", tmp_path / "out")
    pairs = make_pairs(8, seed=1)
    chats = [
        {"prompt": [{"role": "user", "content": prompt[0]}], "chosen": [{"role": "assistant", "content": a[0]}],
         "rejected": [{"role": "assistant", "content": b[0]}]}
        for prompt, a, b in zip(pairs.prompt, pairs.response_a, pairs.response_b, strict=True)
    ]  # fmt: skip
    settings = trl.RewardConfig(
        output_dir=str(tmp_path / "trl"), max_steps=2, per_device_train_batch_size=4, report_to="none", use_cpu=True,
        bf16=False, learning_rate=1e-2, activation_checkpointing=False, logging_steps=1, save_strategy="no",
    )  # fmt: skip
    trainer = trl.RewardTrainer(str(out), args=settings, train_dataset=Dataset.from_list(chats))
    before = trainer.model.score.weight.detach().clone()
    torch.testing.assert_close(
        before, transformers.AutoModelForSequenceClassification.from_pretrained(out).score.weight
    )
    trainer.train()
    assert np.isfinite(trainer.state.log_history[0]["loss"])
    assert not torch.equal(before, trainer.model.score.weight)
