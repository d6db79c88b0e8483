"""Members that are pair models in torch: one path for tokens, training, prediction and saving."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from prefens.core.errors import ConfigError
from prefens.core.types import Floats, Outcome, Pairs
from prefens.data.text.settings import TextSettings
from prefens.data.text.tokens import PairTokens
from prefens.members.backbone_ref import BackboneRef
from prefens.members.base import Context, FitReport, Member
from prefens.members.network_files import load_weights, save_weights
from prefens.members.network_inputs import TokenReader, frozen_features
from prefens.members.nn.deberta_kernels import install
from prefens.members.nn.encoder_features import EncoderFeatures
from prefens.members.nn.frozen_encoder import FrozenEncoder
from prefens.members.nn.heads import HeadSettings
from prefens.members.nn.lora import add_adapters
from prefens.members.nn.pair_model import PairModel
from prefens.members.nn.pairing import PairingSettings
from prefens.members.nn.pretrained import load_encoder, load_tokenizer
from prefens.members.nn.trainable_state import load_trained_weights
from prefens.members.serialization import load_settings, save_settings
from prefens.members.style_inputs import StyleInputs
from prefens.members.training import loop
from prefens.members.training.checkpoint import Checkpoint, Progress
from prefens.members.training.dataset import Examples
from prefens.members.training.precision import arithmetic, name_of
from prefens.members.training.prior import class_prior
from prefens.members.training.settings import Mode, Save, TrainingSettings


@dataclass(eq=False)
class NetworkMember(Member):
    """A pair model of any pairing and head; subclasses say where its tokenizer and its encoder come from.

    Attributes
    ----------
    model : the fitted or loaded network, or None before.
    reader : makes its inputs, or None before.
    """

    name: str
    text: TextSettings = field(default_factory=TextSettings)
    pairing: PairingSettings = field(default_factory=PairingSettings)
    head: HeadSettings = field(default_factory=HeadSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    prompt_prefix: str = ""
    response_prefix: str = ""

    def __post_init__(self) -> None:
        self.model: PairModel | None = None
        self.reader: TokenReader | None = None
        self._base: BackboneRef | None = None
        self._merged = False  # whether adapters were added to the weights, and can no longer be told from them

    @abstractmethod
    def _tokenizer_for(self, train: Pairs) -> Any:
        """Return the tokenizer, learned from the training rows or fixed."""

    @abstractmethod
    def _encoder(self, reader: TokenReader) -> Any:
        """Return the encoder to start training from; torch is seeded."""

    @abstractmethod
    def _empty_encoder(self, directory: Path, reader: TokenReader) -> Any:
        """Return an encoder of the stored model's shape, for weights that are loaded afterwards."""

    def _backbone(self) -> BackboneRef | None:
        """Return the pretrained backbone that training starts from, or None for a network from scratch."""
        return None

    @abstractmethod
    def _save_shape(self, directory: Path) -> None:
        """Write what `_empty_encoder` needs."""

    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        self._base = self._backbone()
        self._check_mode()
        style = StyleInputs.fit(train) if self.head.style else None
        self.reader = reader = self._token_reader(self._tokenizer_for(train), style, context.cache)
        tokens, rows = reader.read(train)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(context.seed)
            self.model = model = self._fresh_model(train, reader)
            inputs: PairTokens | EncoderFeatures = tokens
            if self.training.mode is Mode.frozen:
                inputs = self._features(model, reader, train, tokens)
                model.encoder.release()  # a loaded model keeps it: a server is asked again and again
            examples = Examples(inputs, rows, train.labels, reader.padding, model.both)
            run = loop.train(model, examples, self.training, context.seed, self._checkpoint(context), context.inner)
        return FitReport(run.curves(), self._metrics(model, run, tokens), run.seconds, loop.device().type)

    def predict_proba(self, pairs: Pairs) -> Floats:
        if self.model is None or self.reader is None:
            raise ValueError("predict_proba before fit or load")
        tokens, rows = self.reader.read(pairs)
        inputs: PairTokens | EncoderFeatures = tokens
        if self.training.mode is Mode.frozen and (self.reader.cache is not None or not self.head.learns_pooling):
            inputs = self._features(self.model, self.reader, pairs, tokens)
        return loop.predict(self.model, inputs, rows, self.training.token_budget, self.reader.padding)

    def save(self, directory: Path) -> None:
        if self.model is None or self.reader is None or self._merged:
            raise ValueError("save before fit; a loaded model with adapters is saved by copying its folder")
        if self.training.save is Save.none:
            return
        save_settings(replace(self, **self._without_places()), directory)
        save_weights(self.model, self.training, directory)
        if self.reader.style is not None:
            self.reader.style.save(directory)
        if self.training.mode is not Mode.full and self._base is not None:
            self._base.write(directory)  # its files are found again; they hold the encoder's shape and the tokenizer
        else:
            self._save_shape(directory)
            self.reader.tokenizer.save_pretrained(directory)

    @classmethod
    def load(cls, directory: Path, backbones: Path | None = None) -> Self:
        member, weights = load_settings(cls, directory), load_weights(directory)
        style = StyleInputs.load(directory) if member.head.style else None
        member._base = BackboneRef.read(directory)
        place = directory if member._base is None else member._base.find(backbones)
        member.reader = reader = member._token_reader(load_tokenizer(place), style)
        if member._base is None:
            member.model = member._pair_model(member._empty_encoder(directory, reader), reader)
            member._made_fast(member.model).load_state_dict(weights)  # copied into fp32 weights
            return member
        frozen = member.training.mode is Mode.frozen
        encoder = FrozenEncoder(place, member.head.learns_pooling) if frozen else load_encoder(place)
        member.model = member._pair_model(encoder, reader)
        load_trained_weights(member.model, weights, member.training.lora)
        member._made_fast(member.model)
        member._merged = member.training.mode is Mode.lora
        return member

    @classmethod
    def required_backbones(cls, directory: Path, backbones: Path | None = None) -> dict[str, Path]:
        backbone = BackboneRef.read(directory)
        return {} if backbone is None else {backbone.folder: backbone.find(backbones)}

    def _check_mode(self) -> None:
        if self.training.mode is not Mode.full and self._base is None:
            raise ConfigError(
                f"training.mode={self.training.mode.name} and backbone {self.name}, which is trained from scratch",
                "a pretrained backbone, whose weights are worth keeping as they are",
                "set training=full, or another backbone",
            )

    def _token_reader(self, tokenizer: Any, style: StyleInputs | None, cache: Path | None = None) -> TokenReader:
        prefixes = (self.prompt_prefix, self.response_prefix)
        return TokenReader(tokenizer, self.text, self.pairing.kind, prefixes, self.cache_signature(), style, cache)

    def _fresh_model(self, train: Pairs, reader: TokenReader) -> PairModel:
        """Return the model to train, whose head gives the class prior of the training rows; torch is seeded."""
        model = self._pair_model(self._encoder(reader), reader)
        prior = np.log(class_prior(train.labels, symmetric=True, smoothing=self.training.label_smoothing))
        model.head.init_to_prior(float(prior[Outcome.A_WINS]), float(prior[Outcome.TIE]))
        if self.training.mode is Mode.lora:
            add_adapters(model.encoder, self.training.lora)
        return self._made_fast(model)

    def _pair_model(self, encoder: Any, reader: TokenReader) -> PairModel:
        sizes = (0, 0) if reader.style is None else reader.style.sizes
        return PairModel(encoder, self.head, self.pairing.kind, sizes)

    def _made_fast(self, model: PairModel) -> PairModel:
        """Choose arithmetic and attention for this machine; it may renew parameters, and so precedes the optimizer."""
        model.arithmetic = arithmetic(self.training.precision, loop.device())
        model.compiled = self.training.compile
        if self.training.mode is not Mode.frozen:
            install(model.encoder, loop.device())
        return model

    def _features(self, model: PairModel, reader: TokenReader, pairs: Pairs, tokens: PairTokens) -> EncoderFeatures:
        if self._base is None:
            raise ValueError("features of a frozen encoder without a pretrained backbone")
        return frozen_features(model, self._base.fingerprint, reader, pairs, tokens, self.training.token_budget)

    def _checkpoint(self, context: Context) -> Checkpoint | None:
        if context.checkpoint is None:
            return None
        return Checkpoint(context.checkpoint, context.key, self.training.checkpoint_minutes)

    def _metrics(self, model: PairModel, run: Progress, tokens: PairTokens) -> dict[str, float | int | str]:
        """Return numbers of parameters, what the training chose, and the share of the tokens that were cut off."""
        weights = list(model.parameters())
        return {
            "parameters": sum(weight.numel() for weight in weights),
            "trained_parameters": sum(weight.numel() for weight in weights if weight.requires_grad),
            "precision": name_of(model.arithmetic),
            **run.facts(),
            **{f"{part}_tokens_lost": share for part, share in tokens.audit.lost().items()},
        }

    def _without_places(self) -> dict[str, Any]:
        """Return the fields to change before the settings are stored: paths mean nothing elsewhere."""
        return {}
