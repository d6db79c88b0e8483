"""Small data and models for the tests."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prefens.core.files import write_json
from prefens.core.types import Floats, Folds, MemberInfo, OOFStack, Pairs
from prefens.data.folds import FoldSettings, make_folds, prompt_groups
from prefens.store.member_spec import MemberSpec
from prefens.store.run_record import RunResult
from prefens.store.split_store import SplitStore

FAMILIES = ("bert", "roberta", "xlm-roberta", "deberta-v2", "electra", "mpnet", "modernbert")
WORDS = (
    "the a good bad answer is not very long list of red green blue things yes no maybe because so please thanks".split()
)
SPEC = MemberSpec("tfidf", "tfidf", {"backbone": {"bits": 4}}, 0, "d" * 64, "f" * 64)


def run_result(**fields: Any) -> RunResult:
    """Return what a fold run amounts to, with some fields of one's own."""
    return RunResult(**{"log_loss": 1.0, "accuracy": 0.5, "seconds": 2.0, "valid_rows": 24, **fields})


def column(values: list[Any]) -> Any:
    """Return an object array of any values, tuples included."""
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def make_pairs(count: int, seed: int = 0, classes: int = 3) -> Pairs:
    """Return labelled pairs whose longer response tends to win; every fifth row repeats an earlier prompt."""
    generator = np.random.default_rng(seed)

    def text(words: int) -> str:
        return " ".join(generator.choice(WORDS, size=words)).capitalize() + "."

    asked = [row - 4 if row % 5 == 4 else row for row in range(count)]
    prompts = [(f"Question {number}: {WORDS[number % 7]}?",) for number in asked]
    lengths = generator.integers(1, 40, size=(count, 2))
    noise = generator.normal(0, 5, size=count)
    margin = lengths[:, 0] - lengths[:, 1] + noise
    label = np.where(abs(margin) < 6, 2, np.where(margin > 0, 0, 1)) % classes
    return Pairs(
        ids=column([str(1000 + row) for row in range(count)]),
        prompt=column(prompts),
        response_a=column([(text(size),) for size in lengths[:, 0]]),
        response_b=column([(text(size),) for size in lengths[:, 1]]),
        label=label.astype(np.int8),
        model_a=column(["model-x"] * count),
        model_b=column(["model-y"] * count),
    )


def write_csv(path: Path, pairs: Pairs, labelled: bool = True) -> Path:
    """Write pairs in the competition's format."""
    header = ["id", "prompt", "response_a", "response_b"]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        label_columns = ["winner_model_a", "winner_model_b", "winner_tie"]
        writer.writerow([*header, *(["model_a", "model_b", *label_columns] if labelled else [])])
        for row in range(len(pairs)):
            texts = [json.dumps(list(turns[row])) for turns in (pairs.prompt, pairs.response_a, pairs.response_b)]
            one_hot = [int(pairs.labels[row] == place) for place in range(3)] if labelled else []
            models = [pairs.model_a[row], pairs.model_b[row]] if labelled else []  # type: ignore[index]
            writer.writerow([pairs.ids[row], *texts, *models, *one_hot])
    return path


def write_frame(path: Path, frame: pd.DataFrame) -> Path:
    """Write CSV or parquet, as the name says."""
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


def write_probabilities(path: Path, ids: Any, values: Floats, names: Any = ("a_wins", "b_wins", "tie")) -> Path:
    """Write a file of probabilities as somebody else would."""
    return write_frame(path, pd.DataFrame(values, columns=[*names]).assign(id=ids))


def write_labels(path: Path, pairs: Pairs, one_hot: bool = False, grouped: bool = False) -> Path:
    """Write the labels of pairs, without their texts."""
    frame = pd.DataFrame({"id": pairs.ids})
    if one_hot:
        frame[["winner_model_a", "winner_model_b", "winner_tie"]] = np.eye(3, dtype=int)[pairs.labels]
    else:
        frame["label"] = pairs.labels
    return write_frame(path, frame.assign(group=prompt_groups(pairs)) if grouped else frame)


def make_stack(probabilities: Floats, label: Any, folds: int = 5) -> OOFStack:
    """Return a stack of (M, n, K) probabilities with groups of two rows and alternating folds."""
    n = len(label)
    group = np.arange(n) // 2
    about = Folds(
        ids=column([f"r{row}" for row in range(n)]),
        label=np.asarray(label, dtype=np.int8),
        group=column([f"g{value}" for value in group]),
        fold=(group % folds).astype(np.int8),
        settings={"k": folds, "scheme": "stratified_group", "seed": 0, "holdout": 0.0},
        data_digest="d" * 64,
        n_outcomes=np.shape(probabilities)[2],
    )
    infos = tuple(MemberInfo(f"m{place}", f"b{place}", 0) for place in range(len(probabilities)))
    return OOFStack(infos, np.asarray(probabilities, dtype=np.float64), about)


def random_stack(members: int, rows: int, seed: int, sharpness: float = 1.0, outcomes: int = 3) -> OOFStack:
    """Return members that are noisy versions of the truth that the labels were drawn from."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(rows, outcomes))
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    label = (generator.random((rows, 1)) > truth.cumsum(axis=1)).sum(axis=1).clip(0, outcomes - 1)
    noisy = sharpness * logits + generator.normal(size=(members, rows, outcomes)) * generator.uniform(
        0.3, 2.0, (members, 1, 1)
    )
    shares = np.exp(noisy - noisy.max(axis=2, keepdims=True))
    return make_stack(shares / shares.sum(axis=2, keepdims=True), label)


def alike_stack(members: int, rows: int, seed: int) -> OOFStack:
    """Return members that are about equally good: the truth with noise of the same size."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(rows, 3))
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    label = (generator.random((rows, 1)) > truth.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    shares = np.exp(logits + 0.6 * generator.normal(size=(members, rows, 3)))
    return make_stack(shares / shares.sum(axis=2, keepdims=True), label)


def folds_of(pairs: Pairs, **settings: Any) -> Folds:
    return make_folds(pairs, FoldSettings(**settings))


KINDS = {
    "bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta", "deberta-v2": "DebertaV2", "electra": "Electra",
    "mpnet": "MPNet", "modernbert": "ModernBert",
}  # fmt: skip
ANGULAR = ("roberta", "xlm-roberta", "mpnet")  # their special tokens are <s>, </s>, ...
LENGTHS: dict[str, int | None] = {"roberta": 130, "xlm-roberta": 130, "mpnet": 130, "deberta-v2": None}  # others: 132


def make_tiny_encoder(family: str, directory: Path) -> Path:
    """Write config, random weights and a freshly trained tokenizer of one of FAMILIES."""
    import torch
    import transformers

    fast = make_tiny_tokenizer(family)
    fast.save_pretrained(directory)
    sizes: dict[str, Any] = {
        "vocab_size": len(fast), "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 32, "max_position_embeddings": 132, "pad_token_id": fast.pad_token_id,
    }  # fmt: skip
    if family in ("roberta", "xlm-roberta"):
        sizes |= {"type_vocab_size": 1}
    if family == "electra":
        sizes |= {"embedding_size": 8}
    if family == "modernbert":
        sizes |= {"local_attention": 16, "global_attn_every_n_layers": 2}
        sizes |= {f"{name}_token_id": fast.cls_token_id for name in ("bos", "cls")}
        sizes |= {f"{name}_token_id": fast.sep_token_id for name in ("eos", "sep")}
    if family == "deberta-v2":
        sizes |= {
            "type_vocab_size": 0, "relative_attention": True, "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False, "position_buckets": 32, "norm_rel_ebd": "layer_norm", "share_att_key": True,
        }  # fmt: skip
    torch.manual_seed(0)
    config = getattr(transformers, f"{KINDS[family]}Config")(**sizes)
    getattr(transformers, f"{KINDS[family]}Model")(config).save_pretrained(directory)
    return directory


def make_tiny_tokenizer(family: str) -> Any:
    """Return a tokenizer of the family's kind, trained on the spot: WordPiece, byte-level BPE or Unigram."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    special = {"cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "unk": "[UNK]", "mask": "[MASK]"}
    if family in ANGULAR:
        special = {"cls": "<s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
    ordered = [special[name] for name in ("cls", "pad", "sep", "unk", "mask")]
    if family in ("bert", "electra", "mpnet"):
        tokenizer = Tokenizer(models.WordPiece(unk_token=special["unk"]))
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer: Any = trainers.WordPieceTrainer(vocab_size=200, special_tokens=ordered)
    elif family in ("roberta", "modernbert"):
        tokenizer = Tokenizer(models.BPE(unk_token=special["unk"]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=ordered)
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=ordered, unk_token=special["unk"])
    sample = make_pairs(40)
    tokenizer.train_from_iterator([turns[0] for turns in [*sample.prompt, *sample.response_a]], trainer)
    cls, sep = special["cls"], special["sep"]
    second = ":1" if family in ("bert", "electra", "deberta-v2") else ":0"
    gap = f"{sep}:0 {sep}:0" if family in ANGULAR else f"{sep}:0"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls}:0 $A:0 {gap} $B{second} {sep}{second}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (cls, sep)],
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{f"{name}_token": token for name, token in special.items()}
    )


def make_blend(split: SplitStore, weights: dict[str, float], method: str = "soft_vote") -> dict[str, Any]:
    """Store a blend of members as the blend command does, with the rule that has these weights; return it."""
    state = {"method": method, "members": len(weights), "weights": list(weights.values())}
    scores = {"fitted": 1.0, "honest": 1.0, "honest_se": 0.1, "differences": {}, "weights": weights}
    blend = {
        "n_pairs": int(split.folds.scored.sum()),
        "predictions_digest": "0" * 64,
        "data_digest": split.folds.data_digest,
        "fold_digest": split.folds.digest,
        "members": [{"member": name, "backbone": None, "seed": 0, "log_loss": 1.0} for name in weights],
        "methods": [{"method": method, "state": state, **scores}],
        "best": method,
        "best_honest": None,
        "best_honest_se": None,
        "chosen_without_fold": {},
        "nested": None,
        "diagnostics": {"members": [], "forward": [], "alarms": []},
    }
    split.put_blend(lambda folder: write_json(folder / "blend.json", blend))
    return blend
