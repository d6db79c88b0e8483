"""Members that are pair models in torch: one path for tokens, training, prediction and saving."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from prefens.digest import short
from prefens.features import shared
from prefens.members.base import Context, FitReport, Member
from prefens.members.settings import load_settings, save_settings
from prefens.modeling.disentangled import install
from prefens.modeling.heads import HeadSettings
from prefens.modeling.pair_model import PairModel
from prefens.modeling.pairing import PairingSettings
from prefens.modeling.pretrained import load_tokenizer
from prefens.records import Floats, Pairs
from prefens.text.settings import TextSettings
from prefens.text.tokens import PairTokens, tokenize_pairs
from prefens.training import loop
from prefens.training.checkpoint import Checkpoint
from prefens.training.precision import arithmetic, name_of
from prefens.training.settings import Save, TrainingSettings


@dataclass(eq=False)
class NetworkMember(Member):
    """A siamese pair model; subclasses say where its tokenizer and its encoder come from."""

    name: str
    text: TextSettings = field(default_factory=TextSettings)
    pairing: PairingSettings = field(default_factory=PairingSettings)
    head: HeadSettings = field(default_factory=HeadSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    prompt_prefix: str = ""
    response_prefix: str = ""

    def __post_init__(self) -> None:
        self._model: PairModel | None = None
        self._tokenizer: Any = None
        self._signature = ""

    @abstractmethod
    def _tokenizer_for(self, train: Pairs) -> Any:
        """Return the tokenizer, learned from the training rows or fixed."""

    @abstractmethod
    def _encoder(self) -> Any:
        """Return the encoder to start training from; torch is seeded."""

    @classmethod
    @abstractmethod
    def _empty_encoder(cls, member: Self, directory: Path) -> Any:
        """Return an encoder of the stored model's shape, for weights that are loaded afterwards."""

    @abstractmethod
    def _save_shape(self, directory: Path) -> None:
        """Write what `_empty_encoder` needs."""

    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        self._use_tokenizer(self._tokenizer_for(train))
        tokens, rows = self._tokens(train)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(context.entropy)
            self._model = self._made_fast(PairModel(self._encoder(), self.head))
            checkpoint = None
            if context.checkpoint is not None:
                checkpoint = Checkpoint(context.checkpoint, context.key, self.training.checkpoint_minutes)
            run = loop.train(
                self._model, tokens, rows, train.labels, self.training, context.entropy, self._padding, checkpoint
            )
        lost = {f"{part}_tokens_lost": share for part, share in tokens.audit.lost().items()}
        size = sum(weight.numel() for weight in self._model.parameters())
        facts: dict[str, float | int | str] = {"parameters": size, "precision": name_of(self._model.arithmetic), **lost}
        return FitReport({"train_loss": run.curve}, facts, run.seconds, loop.device().type)

    def predict_proba(self, pairs: Pairs) -> Floats:
        if self._model is None:
            raise ValueError("predict_proba before fit or load")
        tokens, rows = self._tokens(pairs)
        return loop.predict(self._model, tokens, rows, self.training.token_budget, self._padding)

    def save(self, directory: Path) -> None:
        from safetensors.torch import save_file

        if self._model is None:
            raise ValueError("save before fit")
        if self.training.save is Save.none:
            return
        save_settings(replace(self, **self._without_places()), directory)
        dtype = torch.float16 if self.training.save is Save.fp16 else torch.float32
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self._model.state_dict().items()}
        kept = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
        save_file(kept, directory / "model.safetensors")
        self._save_shape(directory)
        self._tokenizer.save_pretrained(directory)

    @classmethod
    def load(cls, directory: Path, backbones: Path | None = None) -> Self:
        from safetensors.torch import load_file

        member = load_settings(cls, directory)
        member._model = member._made_fast(PairModel(cls._empty_encoder(member, directory), member.head))
        member._model.load_state_dict(load_file(directory / "model.safetensors"))  # copied into fp32 weights
        member._use_tokenizer(load_tokenizer(directory))
        return member

    def _made_fast(self, model: PairModel) -> PairModel:
        """Choose arithmetic and attention for this machine; it may renew parameters, and so precedes the optimiser."""
        model.arithmetic = arithmetic(self.training.precision, loop.device())
        model.compiled = self.training.compile
        install(model.encoder, loop.device())
        return model

    def _without_places(self) -> dict[str, Any]:
        """Return the fields to change before the settings are stored: paths mean nothing elsewhere."""
        return {}

    @property
    def _padding(self) -> int:
        return int(self._tokenizer.pad_token_id)

    def _use_tokenizer(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        vocabulary = short(hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest())
        self._signature = f"tokens {vocabulary} {self.text} {self.prompt_prefix!r} {self.response_prefix!r}"

    def _tokens(self, pairs: Pairs) -> tuple[PairTokens, NDArray[np.int64]]:
        tokens, rows = shared(
            pairs,
            self._signature,
            lambda base: tokenize_pairs(self._tokenizer, base, self.text, self.prompt_prefix, self.response_prefix),
        )
        return tokens, np.arange(len(pairs)) if isinstance(rows, slice) else rows
