"""Tiny causal models with random weights, and tokenizers with what trips them: no padding, padding = EOS, BOS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.helpers.examples import make_pairs

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TURNS = (
    "{{ bos_token }}{% for message in messages %}<turn>{{ message['role'] }}\n{{ message['content'] | trim }}</turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<turn>model\n{% endif %}"
)


@dataclass(frozen=True)
class TokenizerKind:
    """What a family's tokenizer has: BOS (and puts it before a text), EOS, padding, a chat template."""

    special: tuple[str, ...]
    eos: str
    bos: str | None = None
    pad: str | None = None
    chat: str | None = None


QWEN = TokenizerKind(("<|endoftext|>", "<|im_start|>", "<|im_end|>"), "<|im_end|>", None, "<|im_end|>", CHAT)
LLAMA = TokenizerKind(("<|begin|>", "<|end|>"), "<|end|>", "<|begin|>")
GEMMA = TokenizerKind(("<pad>", "<eos>", "<bos>", "<turn>", "</turn>"), "<eos>", "<bos>", "<pad>", TURNS)
WINDOW = {"head_dim": 8, "sliding_window": 16}
FAMILIES: dict[str, tuple[str, TokenizerKind, dict[str, Any]]] = {
    "llama": ("Llama", LLAMA, {}),
    "qwen2": ("Qwen2", QWEN, {}),
    "qwen3": ("Qwen3", QWEN, {"head_dim": 8}),
    "gemma2": ("Gemma2", GEMMA, {**WINDOW, "layer_types": ["sliding_attention", "full_attention"]}),
    "gemma3": ("Gemma3Text", GEMMA, {**WINDOW, "layer_types": ["sliding_attention", "full_attention"]}),
    "mistral": ("Mistral", LLAMA, {"sliding_window": 16}),
    "phi3": ("Phi3", QWEN, {}),
}
SIZES = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
    "intermediate_size": 32, "max_position_embeddings": 256, "tie_word_embeddings": True, "initializer_range": 0.3,
}  # fmt: skip


def make_tokenizer(kind: TokenizerKind) -> Any:
    """Return a byte-level BPE tokenizer, trained on the spot."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[*kind.special], initial_alphabet=alphabet)
    sample = make_pairs(40)
    tokenizer.train_from_iterator([turns[0] for turns in [*sample.prompt, *sample.response_a]], trainer)
    if kind.bos is not None:
        bos = (kind.bos, tokenizer.token_to_id(kind.bos))
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{kind.bos} $A", pair=f"{kind.bos} $A {kind.bos} $B", special_tokens=[bos]
        )
    named = {"bos_token": kind.bos, "eos_token": kind.eos, "pad_token": kind.pad}
    given = {name: token for name, token in named.items() if token is not None}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **given, extra_special_tokens=[*kind.special])  # type: ignore[no-untyped-call]
    fast.chat_template = kind.chat
    return fast


def make_tiny_decoder(family: str, directory: Path, **changed: Any) -> Path:
    """Write a causal language model of one of FAMILIES as its hub directory has it: language head, tied embeddings."""
    import torch
    import transformers

    name, kind, own = FAMILIES[family]
    tokenizer = make_tokenizer(kind)
    tokenizer.save_pretrained(directory)
    ids = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.bos_token_id}
    config = getattr(transformers, f"{name}Config")(
        **(SIZES | own | ids | changed), eos_token_id=tokenizer.eos_token_id, vocab_size=len(tokenizer)
    )
    torch.manual_seed(0)
    getattr(transformers, f"{name.removesuffix('Text')}ForCausalLM")(config).save_pretrained(
        directory, max_shard_size="20KB"
    )
    return directory
