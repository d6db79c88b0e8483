"""The `textcnn` member: a small convolutional network that knows nothing but the training rows."""

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

SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


@dataclass(eq=False)
class TextCnnMember(NetworkMember):
    """Word vectors and convolutions from scratch, with max and mean pooling.

    All weights start at random, and so all are trained at `training.head_lr`.

    Parameters
    ----------
    vocabulary : words of the training rows that get a vector of their own; the rest share one.
    dimension : of a word vector; filters : of each width; widths : words under a filter.
    dropout : spatial, of whole channels of the word vectors; in [0, 1).
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
        self.head = replace(self.head, pooling=Pooling.max_mean)
        self.training = replace(self.training, lr=self.training.head_lr)

    def _tokenizer_for(self, train: Pairs) -> Any:
        from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
        from transformers import PreTrainedTokenizerFast

        tokenizer = Tokenizer(models.WordLevel(unk_token=SPECIAL["unk_token"]))
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordLevelTrainer(
            vocab_size=self.vocabulary, special_tokens=list(SPECIAL.values()), show_progress=False
        )
        columns = (train.prompt, train.response_a, train.response_b)
        tokenizer.train_from_iterator((joined(turns) for column in columns for turns in column), trainer)
        special = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=special
        )
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)  # type: ignore[no-untyped-call]

    def _encoder(self, reader: TokenReader) -> TextCnn:
        words = len(reader.tokenizer)
        return TextCnn(words, reader.padding, self.dimension, self.filters, self.widths, self.dropout)

    def _empty_encoder(self, directory: Path, reader: TokenReader) -> TextCnn:
        return self._encoder(reader)

    def _save_shape(self, directory: Path) -> None:
        """Settings and tokenizer say it all."""
