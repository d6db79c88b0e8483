"""Tiny encoders with random weights, padded batches for them, and what padded batches give."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
import transformers

SIZES: dict[str, Any] = {
    "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": 64, "pad_token_id": 1,
}  # fmt: skip
KINDS = {
    "bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta", "camembert": "Camembert",
    "electra": "Electra", "modernbert": "ModernBert", "deberta-v2": "DebertaV2", "mpnet": "MPNet",
}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {
    "modernbert": {"local_attention": 8, "global_attn_every_n_layers": 2, "reference_compile": False},
    "electra": {"embedding_size": 8},
    "deberta-v2": {
        "type_vocab_size": 0, "relative_attention": True, "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False, "position_buckets": 8, "share_att_key": True,
    },
}  # fmt: skip


def tiny(family: str, **changed: Any) -> Any:
    torch.manual_seed(0)
    config = getattr(transformers, f"{KINDS[family]}Config")(**(SIZES | OWN.get(family, {}) | changed))
    return getattr(transformers, f"{KINDS[family]}Model")(config).eval()


def batch_of(lengths: list[int], padding: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.full((len(lengths), max(lengths)), padding)
    mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(2, 50, (length,), generator=generator)
        mask[row, :length] = 1
        types[row, length // 2 : length] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def has_types(encoder: Any) -> bool:
    return getattr(encoder.config, "type_vocab_size", 0) > 1


def padded(encoder: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    read = {name: tensor for name, tensor in batch.items() if name != "token_type_ids" or has_types(encoder)}
    states: torch.Tensor = encoder(**read).last_hidden_state * batch["attention_mask"].unsqueeze(-1)
    return states


def gradients(encoder: Any, states: torch.Tensor) -> list[torch.Tensor]:
    weights = [weight for weight in encoder.parameters() if weight.requires_grad]
    wanted = torch.sin(torch.arange(states.numel(), device=states.device)).view(states.shape)
    found = torch.autograd.grad((states * wanted).sum(), weights, allow_unused=True)
    return [torch.zeros_like(weight) if one is None else one for weight, one in zip(weights, found, strict=True)]


def without_dropout(path: Path, tmp_path: Path) -> Path:
    """Copy an encoder, with its dropout turned off."""
    shutil.copytree(path, tmp_path / "calm")
    config = json.loads((path / "config.json").read_text())
    calm = config | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (tmp_path / "calm" / "config.json").write_text(json.dumps(calm))
    return tmp_path / "calm"
