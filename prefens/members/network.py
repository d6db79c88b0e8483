"""The base class of members that are pair models in torch: tokens, training, prediction and saving."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from prefens.core.errors import ConfigError
from prefens.core.teaching import Targets
from prefens.core.types import Floats, Ints, Pairs
from prefens.data.text.settings import TextSettings
from prefens.data.text.tokens import PairTokens
from prefens.members.backbone_ref import BackboneRef
from prefens.members.base import Context, FitReport, Member
from prefens.members.network_files import load_weights, naming_weights, save_weights
from prefens.members.network_inputs import TokenReader, encoder_features
from prefens.members.nn.deberta_kernels import install, takes_kernels
from prefens.members.nn.encoder_features import EncoderFeatures
from prefens.members.nn.frozen_encoder import FrozenEncoder, shared_encoder
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.nn.lora import add_adapters
from prefens.members.nn.pair_model import PairModel
from prefens.members.nn.pairing import Pairing, PairingSettings
from prefens.members.nn.pretrained import load_tokenizer, read_config
from prefens.members.nn.trainable_state import load_trainable_state_dict
from prefens.members.nn.weight_format import FP32, WeightFormat
from prefens.members.serialization import load_settings, save_settings
from prefens.members.style_inputs import StyleInputs
from prefens.members.training import loop
from prefens.members.training.checkpoint import Checkpoint
from prefens.members.training.dataset import Examples
from prefens.members.training.precision import compute_dtype, dtype_name
from prefens.members.training.prior import class_prior
from prefens.members.training.reward import fit_reward_scale, read_rewards
from prefens.members.training.reward_scale import RewardScale
from prefens.members.training.settings import Mode, Save, TrainingSettings
from prefens.members.training.state import TrainingState


@dataclass(eq=False)
class NetworkMember(Member):
    """A pair model of any pairing and head; a subclass gives the tokenizer and the encoder.

    A subclass implements `_make_tokenizer`, `_make_encoder`, `_encoder_from_config` and `_save_config`; one with a
    pretrained backbone also `_backbone_ref`. `textcnn.py` is the shortest complete example.

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
        What is put before each prompt and each response, as the backbone was pretrained.

    Attributes
    ----------
    model : PairModel or None
        The fitted or loaded network, None before.
    reader : TokenReader or None
        Makes its inputs, None before.
    """

    learns_from_teachers = True

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
        self._backbone: BackboneRef | None = None
        self._reward_scale: RewardScale | None = None
        self._apart = False  # whether adapters were loaded, which don't stand in the encoder as `save` expects them

    @abstractmethod
    def _make_tokenizer(self, train: Pairs) -> Any:
        """Return the tokenizer, learned from the training rows or fixed."""

    @abstractmethod
    def _make_encoder(self, reader: TokenReader) -> Any:
        """Return the encoder to train; torch is seeded."""

    @abstractmethod
    def _encoder_from_config(self, directory: Path, reader: TokenReader) -> Any:
        """Return an encoder of the stored model's shape, to load its weights into."""

    def _backbone_ref(self) -> BackboneRef | None:
        """Return a reference to the pretrained backbone, or None for a network from scratch."""
        return None

    def _weight_format(self) -> WeightFormat:
        """Return how the weights of a pretrained backbone are held."""
        return FP32

    def _start_head(self, model: PairModel, examples: Examples) -> None:
        """Give a new head what it starts from beyond the class prior."""

    def _finish_head(self, model: PairModel, examples: Examples) -> None:
        """Give a trained head what is fitted better than by steps."""

    @abstractmethod
    def _save_config(self, directory: Path) -> None:
        """Write what `_encoder_from_config` needs."""

    def resolve_settings(self, causal: bool, reward: bool = False, parameters: int = 0) -> None:
        """Give the settings that are None the values of causal models, of reward models, or those of encoders."""
        self.text, self.head = self.text.resolved(causal, reward), self.head.resolved(causal, reward)
        self.training = self.training.resolved(causal, parameters)

    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        self.resolve()
        self.n_outcomes = train.n_outcomes
        self._backbone = self._backbone_ref()
        self._check_mode()
        self._check_orders()
        style = StyleInputs.fit(train) if self.head.style else None
        self.reader = reader = self._token_reader(self._make_tokenizer(train), style, context.cache)
        (tokens, rows), targets = reader.read(train), context.targets_of(train)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(context.seed)
            self.model = model = self._new_model(targets, reader)
            inputs: PairTokens | EncoderFeatures = tokens
            if self.training.mode is Mode.frozen:
                inputs = self._encoder_features(model, reader, train, tokens)
                model.encoder.release()  # a loaded member keeps it: a server predicts again and again
            examples = Examples(inputs, rows, targets, reader.padding, model.needs_both)
            self._start_head(model, examples)
            state = loop.train(model, examples, self.training, context.seed, self._checkpoint(context), context.inner)
            self._finish_head(model, examples)
            if self.has_rewards:
                self._reward_scale = fit_reward_scale(model, examples, self.training)
        return FitReport(state.curves(), self._metrics(model, state, tokens), state.seconds, loop.device().type)

    def predict_proba(self, pairs: Pairs) -> Floats:
        model, padding, inputs, rows = self._read(pairs)
        return loop.predict(model, inputs, rows, self.training.token_budget, padding)

    def rewards(self, pairs: Pairs) -> Floats | None:
        if not self.has_rewards:
            return None
        model, padding, inputs, rows = self._read(pairs)
        return read_rewards(model, inputs, rows, self.training.token_budget, padding)

    @property
    def has_rewards(self) -> bool:
        return self.pairing.kind is Pairing.siamese and self.head.has_rewards

    @classmethod
    def stored_rewards(cls, directory: Path) -> bool:
        return load_settings(cls, directory).has_rewards

    @property
    def reward_scale(self) -> RewardScale | None:
        return self._reward_scale

    def _read(self, pairs: Pairs) -> tuple[PairModel, int, PairTokens | EncoderFeatures, Ints]:
        """Return the fitted model, its padding, what it reads of some pairs, and where each of them is in it."""
        model, reader = self.model, self.reader
        if model is None or reader is None:
            raise ValueError("a prediction before fit or load")
        tokens, rows = reader.read(pairs)
        if self.training.mode is Mode.frozen and (reader.cache is not None or not self.head.learns_pooling):
            return model, reader.padding, self._encoder_features(model, reader, pairs, tokens), rows
        return model, reader.padding, tokens, rows

    def save(self, directory: Path) -> None:
        if self.model is None or self.reader is None or self._apart:
            raise ValueError("save before fit; a loaded model with adapters is saved by copying its folder")
        if self.training.save is Save.none:
            return
        save_settings(replace(self, **self._local_fields()), directory, self.n_outcomes)
        save_weights(self.model, self.training, directory)
        if self.reader.style is not None:
            self.reader.style.save(directory)
        if self._reward_scale is not None:
            self._reward_scale.save(directory)
        if self.training.mode is not Mode.full and self._backbone is not None:
            self._backbone.write(directory)  # the backbone's files hold the config and the tokenizer
        else:
            self._save_config(directory)
            self.reader.tokenizer.save_pretrained(directory)

    @classmethod
    def load(cls, directory: Path, backbones: Sequence[Path] = ()) -> Self:
        member, weights = load_settings(cls, directory), load_weights(directory)
        style = StyleInputs.load(directory) if member.head.style else None
        member._backbone, member._reward_scale = BackboneRef.read(directory), RewardScale.read(directory)
        source = directory if member._backbone is None else member._backbone.find(backbones)
        member.reader = reader = member._token_reader(load_tokenizer(source), style)
        if member._backbone is None:
            member.model = member._pair_model(member._encoder_from_config(directory, reader), reader)
            with naming_weights(directory):
                member._configure_for_device(member.model).load_state_dict(weights)  # copied into fp32
            return member
        frozen = member.training.mode is Mode.frozen
        form = member._weight_format()
        merge = not frozen and form.exact and takes_kernels(read_config(source), loop.device())
        shared = FrozenEncoder(source, member.head.learns_pooling, form) if frozen else shared_encoder(source, form)
        member.model = member._pair_model(deepcopy(shared) if merge else shared, reader)
        with naming_weights(directory):
            load_trainable_state_dict(member.model, weights, member.training.lora, merge)
        member._configure_for_device(member.model)
        member._apart = member.training.mode is Mode.lora
        return member

    @classmethod
    def required_backbones(cls, directory: Path, backbones: Sequence[Path] = ()) -> dict[str, Path]:
        backbone = BackboneRef.read(directory)
        return {} if backbone is None else {backbone.folder: backbone.find(backbones)}

    def _check_mode(self) -> None:
        if self.training.mode is not Mode.full and self._backbone is None:
            raise ConfigError(
                f"training.mode={self.training.mode.name} and backbone {self.name}, which is trained from scratch",
                "a pretrained backbone, whose weights are worth keeping as they are",
                "set training=full, or another backbone",
            )

    def _check_orders(self) -> None:
        symmetric = self.head.kind in (HeadKind.equivariant, HeadKind.davidson)
        if self.pairing.second_order_below is not None and (symmetric or self.training.mode is Mode.frozen):
            raise ConfigError(
                f"pairing.second_order_below with head={self.head.kind.name} training={self.training.mode.name}",
                "a head that reads one order (linear, mlp, cnn), and sequences that are not read in advance",
                "set head=mlp and training=lora, or pairing.second_order_below=null",
            )

    def _token_reader(self, tokenizer: Any, style: StyleInputs | None, cache: Path | None = None) -> TokenReader:
        prefixes = (self.prompt_prefix, self.response_prefix)
        return TokenReader(tokenizer, self.text, self.pairing.kind, prefixes, self.cache_signature(), style, cache)

    def _new_model(self, targets: Targets, reader: TokenReader) -> PairModel:
        """Return the model to train, whose head predicts the class prior of the training rows; torch is seeded."""
        model = self._pair_model(self._make_encoder(reader), reader)
        prior = np.log(class_prior(targets, True, self.training.label_smoothing))
        model.head.init_to_prior(prior.tolist())
        if self.training.mode is Mode.lora:
            add_adapters(model.encoder, self.training.lora)
        return self._configure_for_device(model)

    def _pair_model(self, encoder: Any, reader: TokenReader) -> PairModel:
        sizes = (0, 0) if reader.style is None else reader.style.sizes
        return PairModel(encoder, self.head, self.pairing.kind, sizes, self.n_outcomes)

    def _configure_for_device(self, model: PairModel) -> PairModel:
        """Set precision and attention for this machine; it may replace parameters, so it precedes the optimizer."""
        if self.reader is not None and getattr(model.encoder.config, "pad_token_id", 0) is None:
            model.encoder.config.pad_token_id = self.reader.padding  # some classes refuse batches without one
        model.compute_dtype = compute_dtype(self.training.precision, loop.device())
        model.compiled, model.second_order_below = self.training.compile, self.pairing.second_order_below
        if self.training.mode is not Mode.frozen:
            install(model.encoder, loop.device())
        return model

    def _encoder_features(
        self, model: PairModel, reader: TokenReader, pairs: Pairs, tokens: PairTokens
    ) -> EncoderFeatures:
        if self._backbone is None:
            raise ValueError("encoder features without a pretrained backbone")
        states_of = self._backbone.fingerprint + self._weight_format().signature
        return encoder_features(model, states_of, reader, pairs, tokens, self.training.token_budget)

    def _checkpoint(self, context: Context) -> Checkpoint | None:
        if context.checkpoint is None:
            return None
        return Checkpoint(context.checkpoint, context.key, self.training.checkpoint_minutes)

    def _metrics(self, model: PairModel, state: TrainingState, tokens: PairTokens) -> dict[str, float | int | str]:
        """Return the numbers of parameters, the precision, the training's metrics, and the shares of tokens cut off."""
        weights = list(model.parameters())
        return {
            "parameters": sum(weight.numel() * (2 if weight.dtype is torch.uint8 else 1) for weight in weights),  # nf4
            "trained_parameters": sum(weight.numel() for weight in weights if weight.requires_grad),
            "precision": dtype_name(model.compute_dtype),
            **state.metrics(),
            **{f"{part}_tokens_lost": share for part, share in tokens.audit.lost().items()},
        }

    def _local_fields(self) -> dict[str, Any]:
        """Return replacements of settings, such as paths, that are not stored since they have no meaning elsewhere."""
        return {}
