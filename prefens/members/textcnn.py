"""The `textcnn` member: a small convolutional network, trained from scratch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from prefens.core.errors import ConfigError
from prefens.core.types import Pairs
from prefens.data.text.turns import joined
from prefens.members.network import NetworkMember
from prefens.members.network_inputs import TokenReader
from prefens.members.nn.pairing import Pairing
from prefens.members.nn.pooling import Pooling
from prefens.members.nn.textcnn import TextCnn

SPECIAL_TOKENS = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


@dataclass(eq=False)
class TextCnnMember(NetworkMember):
    """Word vectors and convolutions from scratch, with max and mean pooling.

    All weights start at random, so all are trained at `training.head_lr`.

    Parameters
    ----------
    name : str
        The member's name in tables.
    text : TextSettings
        What of the texts is read.
    pairing : PairingSettings
        Which two sequences a pair is.
    head : HeadSettings
        From token states to logits.
    training : TrainingSettings
        How the weights are trained.
    prompt_prefix, response_prefix : str
        What is put before each prompt and each response.
    vocabulary : int
        Words of the training rows that get a vector of their own; the others share one.
    dimension : int
        The size of a word vector.
    filters : int
        Filters of each width.
    widths : list of int
        Words under a filter.
    dropout : float in [0, 1)
        The share of the channels of the word vectors that a training step drops.

    Raises
    ------
    ConfigError
        The pairing is cross.
    """

    kind: ClassVar = "textcnn"

    vocabulary: int = 20000
    dimension: int = 128
    filters: int = 96
    widths: list[int] = field(default_factory=lambda: [1, 3, 5])
    dropout: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pairing.kind is Pairing.cross:
            raise ConfigError(
                "pairing=cross for a textcnn",
                "pairing=siamese: pooled convolutions can't tell which response a word stands in",
                "set pairing=siamese, or take a pretrained encoder",
            )
        self.resolve_settings(causal=False)
        self.head = replace(self.head, pooling=Pooling.max_mean)
        self.training = replace(self.training, lr=self.training.head_lr)

    def _make_tokenizer(self, train: Pairs) -> Any:
        from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
        from transformers import PreTrainedTokenizerFast

        tokenizer = Tokenizer(models.WordLevel(unk_token=SPECIAL_TOKENS["unk_token"]))
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordLevelTrainer(
            vocab_size=self.vocabulary, special_tokens=list(SPECIAL_TOKENS.values()), show_progress=False
        )
        columns = (train.prompt, train.response_a, train.response_b)
        tokenizer.train_from_iterator((joined(turns) for column in columns for turns in column), trainer)
        special = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=special
        )
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL_TOKENS)  # type: ignore[no-untyped-call]

    def _make_encoder(self, reader: TokenReader) -> TextCnn:
        words = len(reader.tokenizer)
        return TextCnn(words, reader.padding, self.dimension, self.filters, self.widths, self.dropout)

    def _encoder_from_config(self, directory: Path, reader: TokenReader) -> TextCnn:
        return self._make_encoder(reader)

    def _save_config(self, directory: Path) -> None:
        """Nothing to write: settings and tokenizer describe the encoder."""
