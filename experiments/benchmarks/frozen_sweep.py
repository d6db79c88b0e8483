"""What a sweep of heads costs once a frozen encoder has read the texts: 5 folds x 10 seeds against one forward pass.

    python experiments/benchmarks/frozen_sweep.py [--pairs N] [--backbone DIR --data FILE] [--out FILE]

Without a backbone, one of the size of MiniLM-L6 with random weights reads generated pairs with responses as long as the
arena's. forward: every sequence is read once, and its features are written to the cache. heads: all folds and seeds are
fitted on these and predict what was held out, loading of files included, one after another. ratio: (forward + heads) /
forward. On a CPU the seconds are the processor's, for a machine that others use too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from prefens.core.resources import limit_threads
from prefens.core.types import Folds, Pairs
from prefens.data.folds import FoldSettings, make_folds
from prefens.data.load import load_pairs
from prefens.data.synthetic.generator import generate
from prefens.data.text.settings import TextSettings
from prefens.members.backbone_files import find_minilm
from prefens.members.base import Context
from prefens.members.encoder import EncoderMember
from prefens.members.training import precompute
from prefens.members.training.loop import device
from prefens.members.training.settings import Mode, TrainingSettings

TARGET = 1.3
SIZES: dict[str, Any] = {
    "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536,
}  # fmt: skip
SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


def now() -> float:
    """Return seconds of work: of this process, or of the clock where an accelerator does it."""
    return time.perf_counter() if device().type == "cuda" else time.process_time()


def long_pairs(count: int) -> Pairs:
    """Return generated pairs, each response followed by those of two other rows."""
    pairs = generate(count, seed=0)
    for column in (pairs.response_a, pairs.response_b):
        first = [turns[0] for turns in column]
        for row, turns in enumerate(list(column)):
            more = [first[(row * 31 + step) % count] for step in range(1, 3)]
            column[row] = ("\n\n".join([turns[0], *more]), *turns[1:])
    return pairs


def write_backbone(directory: Path, pairs: Pairs) -> Path:
    """Write an untrained BERT of MiniLM-L6's size, and a tokenizer of the pairs' words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=20000, special_tokens=list(SPECIAL.values()), show_progress=False
    )  # fmt: skip
    tokenizer.train_from_iterator((turns[0] for turns in pairs.response_a), trainer)
    special = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)  # type: ignore[no-untyped-call]
    fast.save_pretrained(directory)
    BertModel(BertConfig(vocab_size=len(fast), **SIZES)).save_pretrained(directory)
    return directory


def member_on(backbone: Path, max_length: int) -> EncoderMember:
    """Return a member with the settings of conf/training/frozen.yaml."""
    training = TrainingSettings(mode=Mode.frozen, epochs=5, batch_pairs=64)
    return EncoderMember("frozen", path=str(backbone), text=TextSettings(max_length=max_length), training=training)


def forward(member: EncoderMember, pairs: Pairs, cache: Path) -> float:
    """Read all pairs into an empty cache; return the seconds of it, those of tokenizing left out."""
    taken: list[float] = []
    fill = precompute.fill_features

    def timed(*arguments: Any) -> None:
        started = now()
        fill(*arguments)
        taken.append(now() - started)

    with patch.object(precompute, "fill_features", timed):
        member.fit(pairs.take(np.arange(8)), None, Context(0, np.zeros(8, dtype=np.int8), cache))
    return taken[0]


def heads(backbone: Path, max_length: int, pairs: Pairs, folds: Folds, seeds: int, cache: Path) -> float:
    """Fit the heads of all folds and seeds; return the seconds of it."""
    runs = [
        (fold, pairs.take(fold.train), Context(
            1000 * seed + fold.index, np.zeros(len(fold.train), dtype=np.int8), cache, key=f"{seed} {fold.index}"
        ))
        for seed in range(seeds)
        for fold in folds
    ]  # fmt: skip
    started = now()
    for fold, train, context in runs:
        member = member_on(backbone, max_length)
        member.fit(train, None, context)
        member.predict_proba(pairs.take(fold.valid))
    return now() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--backbone",
        type=lambda name: find_minilm() if name == "minilm-l6" else Path(name),
        help="a directory of an encoder's files, or minilm-l6 of the package prefens[offline]",
    )
    parser.add_argument("--data", type=Path, help="labelled pairs, CSV or parquet")
    parser.add_argument("--pairs", type=int, default=1000, help="how many of them")
    parser.add_argument("--max-length", type=int, default=512, help="tokens of a sequence")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    arguments = parser.parse_args()
    limit_threads()
    pairs = load_pairs(arguments.data).pairs if arguments.data else long_pairs(arguments.pairs)
    pairs = pairs.take(np.arange(min(arguments.pairs, len(pairs))))
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        backbone = arguments.backbone or write_backbone(Path(folder) / "backbone", pairs)
        for repeat in range(arguments.repeats):
            fresh = Pairs.concatenate([pairs])  # nothing of it is in memory yet
            folds, cache = make_folds(fresh, FoldSettings()), Path(folder) / f"cache-{repeat}"
            taken = {"forward": forward(member_on(backbone, arguments.max_length), fresh, cache)}
            taken["heads"] = heads(backbone, arguments.max_length, fresh, folds, arguments.seeds, cache)
            rows.append({**taken, "ratio": 1.0 + taken["heads"] / taken["forward"]})
            print("  ".join(f"{name} {value:.2f}" for name, value in rows[-1].items()), flush=True)
    print(f"\n{len(pairs)} pairs, {folds.k} folds x {arguments.seeds} seeds; median [range] of {len(rows)} repetitions")
    for name, unit in (("forward", " s"), ("heads", " s"), ("ratio", "")):
        values = sorted(row[name] for row in rows)
        target = f"   target: at most {TARGET}" if name == "ratio" else ""
        print(f"{name:8} {statistics.median(values):8.2f}{unit} [{values[0]:.2f}, {values[-1]:.2f}]{target}")
    if arguments.out:
        arguments.out.write_text(json.dumps({"pairs": len(pairs), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
