"""The folder of an exported model: weights, config, tokenizer with its chat template, and a card."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import torch

from prefens import __version__
from prefens.core.errors import ConfigError
from prefens.core.files import atomic_write, write_text
from prefens.members.base import Member
from prefens.members.export.card import render_card
from prefens.members.export.reward_model import check_reward, make_reward_model
from prefens.members.export.texts import exported_texts

CARD_NAME = "README.md"
SHARD = "5GB"


def export_model(member: Member, name: str, source: str, out: Path) -> Path:
    """Write a loaded member as a model of transformers, and return its folder.

    `AutoModelForSequenceClassification` and `AutoTokenizer` load it, and its logit is the member's reward.

    Parameters
    ----------
    member : Member
        A siamese decoder with a linear reward of the last token.
    name, source : str
        The member's name in the store, and which of its models it is, for the card.
    out : Path
        The folder, which is made; that of an earlier export is replaced.

    Raises
    ------
    ConfigError
        The member has no such reward, transformers has no such class for it, or `out` holds something else.
    """
    if out.exists() and not (out / CARD_NAME).is_file():
        raise ConfigError(
            f"{out} exists and is no exported model", "a new folder, or an export", "give another out=DIR"
        )
    encoder = check_reward(member)
    model, reader = make_reward_model(encoder), encoder.reader
    if reader is None:
        raise ValueError("export before fit or load")
    tokenizer = deepcopy(reader.tokenizer)
    texts = exported_texts(tokenizer, encoder.text, reader.prefixes, model.config.vocab_size)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(texts.padding)
    tokenizer.chat_template, tokenizer.padding_side = texts.chat_template, "right"
    tokenizer.model_max_length = encoder.text.max_length
    model.config.pad_token_id = texts.padding
    with torch.device("meta"):
        classifier = model.kind(model.config)
    classifier.load_state_dict(model.weights, assign=True)
    with atomic_write(out) as folder:
        classifier.save_pretrained(folder, max_shard_size=SHARD)
        tokenizer.save_pretrained(folder)
        write_text(folder / CARD_NAME, render_card(encoder, name, source, model, texts, tokenizer, __version__))
    return out
