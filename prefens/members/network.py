"""Members that are pair models in torch: one path for tokens, training, prediction and saving."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from prefens.digest import short
from prefens.errors import ConfigError
from prefens.features import shared
from prefens.members import company
from prefens.members.base import Context, FitReport, Member
from prefens.members.settings import load_settings, save_settings
from prefens.members.stored_backbone import StoredBackbone
from prefens.members.style_inputs import StyleInputs
from prefens.modeling.disentangled import install
from prefens.modeling.encoded import EncodedPairs
from prefens.modeling.frozen_encoder import FrozenEncoder
from prefens.modeling.heads import HeadSettings
from prefens.modeling.lora import add_adapters
from prefens.modeling.pair_model import PairModel
from prefens.modeling.pairing import Pairing, PairingSettings
from prefens.modeling.pretrained import load_encoder, load_tokenizer
from prefens.modeling.trained_weights import load_trained_weights, trained_weights
from prefens.records import Floats, Outcome, Pairs
from prefens.text.settings import TextSettings
from prefens.text.token_cache import cached_tokens
from prefens.text.tokens import PairTokens, tokenize_pairs
from prefens.text.truncation import warn_of_losses
from prefens.training import loop, processes
from prefens.training.checkpoint import Checkpoint, Progress
from prefens.training.encoding import encoded
from prefens.training.examples import Examples
from prefens.training.precision import arithmetic, name_of
from prefens.training.prior import class_prior
from prefens.training.settings import Mode, Save, TrainingSettings
from prefens.training.together import HeadRun, TrainedHead


@dataclass(eq=False)
class NetworkMember(Member):
    """A pair model of any pairing and head; subclasses say where its tokenizer and its encoder come from."""

    name: str
    text: TextSettings = field(default_factory=TextSettings)
    pairing: PairingSettings = field(default_factory=PairingSettings)
    head: HeadSettings = field(default_factory=HeadSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    prompt_prefix: str = ""
    response_prefix: str = ""

    def __post_init__(self) -> None:
        self._model: PairModel | None = None
        self._style: StyleInputs | None = None
        self._tokenizer: Any = None
        self._signature = ""
        self._lost: Mapping[str, float] = {}
        self._base: StoredBackbone | None = None
        self._cache: Path | None = None
        self._merged = False  # whether adapters were added to the weights, and can no longer be told from them

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

    def _backbone(self) -> StoredBackbone | None:
        """Return the pretrained backbone that training starts from, or None for a network from scratch."""
        return None

    @abstractmethod
    def _save_shape(self, directory: Path) -> None:
        """Write what `_empty_encoder` needs."""

    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            model, inputs, rows = self._begin(train, context)
            run: Progress | TrainedHead | None = self._trained_with_others(train, context, model, inputs, rows)
            if run is None:
                checkpoint = None
                if context.checkpoint is not None:
                    checkpoint = Checkpoint(context.checkpoint, context.key, self.training.checkpoint_minutes)
                run = loop.train(
                    model, inputs, rows, train.labels, self.training, context.seed, self._padding, checkpoint,
                    context.inner,
                )  # fmt: skip
        lost = {f"{part}_tokens_lost": share for part, share in self._lost.items()}
        size = sum(weight.numel() for weight in model.parameters())
        trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        facts: dict[str, float | int | str] = {"parameters": size, "trained_parameters": trained}
        facts |= {"precision": name_of(model.arithmetic), **run.facts(), **lost}
        return FitReport(run.curves(), facts, run.seconds, loop.device().type)

    def _begin(self, train: Pairs, context: Context) -> tuple[PairModel, PairTokens | EncodedPairs, NDArray[np.int64]]:
        """Return the model to train, what it reads, and the places of the pairs in that; torch is seeded."""
        self._base, self._cache = self._backbone(), context.cache
        self._check_mode()
        self._use_tokenizer(self._tokenizer_for(train))
        self._style = StyleInputs.fit(train) if self.head.style else None
        tokens, rows = self._tokens(train)
        self._lost = tokens.audit.lost()
        torch.manual_seed(context.seed)
        self._model = self._pair_model(self._encoder())
        prior = np.log(class_prior(train.labels, symmetric=True, smoothing=self.training.label_smoothing))
        self._model.head.start_at(float(prior[Outcome.A_WINS]), float(prior[Outcome.TIE]))
        if self.training.mode is Mode.lora:
            add_adapters(self._model.encoder, self.training.lora)
        self._made_fast(self._model)
        if self.training.mode is not Mode.frozen:
            return self._model, tokens, rows
        inputs = self._encoded(train, tokens)
        self._model.encoder.release()  # a loaded model keeps it: a server is asked again and again
        return self._model, inputs, rows

    def _trained_with_others(
        self, train: Pairs, context: Context, model: PairModel, inputs: Any, rows: NDArray[np.int64]
    ) -> TrainedHead | None:
        """Put the trained head into the model and return it, where it can be trained along with others; or None."""
        wanted = loop.device().type != "cpu" if self.training.together is None else self.training.together
        if not (wanted and self._trains_pooled and context.key) or processes.count() > 1:
            return None

        def run(member: Self, pairs: Pairs, theirs: Context) -> HeadRun:
            made, read, places = member._begin(pairs, theirs)
            return HeadRun(made, Examples(read, places, pairs.labels, member._padding, made.both), theirs.seed)

        own = HeadRun(model, Examples(inputs, rows, train.labels, self._padding, model.both), context.seed)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):  # alone, its draws are its own
            others = (
                (theirs.key, run(replace(self), pairs, theirs))
                for pairs, theirs in context.company()
                if not company.waits(train, theirs.key)
            )
            found = company.head(train, context.key, own, others, self.training)
        if found is not None:
            model.load_state_dict(found.weights)  # all there are: the encoder counts for none
        return found

    def predict_proba(self, pairs: Pairs) -> Floats:
        if self._model is None:
            raise ValueError("predict_proba before fit or load")
        tokens, rows = self._tokens(pairs)
        inputs: PairTokens | EncodedPairs = tokens
        if self.training.mode is Mode.frozen and (self._cache is not None or not self.head.learns_pooling):
            inputs = self._encoded(pairs, tokens)
        return loop.predict(self._model, inputs, rows, self.training.token_budget, self._padding)

    def save(self, directory: Path) -> None:
        from safetensors.torch import save_file

        if self._model is None or self._merged:
            raise ValueError("save before fit; a loaded model with adapters is saved by copying its folder")
        if self.training.save is Save.none:
            return
        save_settings(replace(self, **self._without_places()), directory)
        whole = self.training.mode is Mode.full
        state = self._model.state_dict() if whole else trained_weights(self._model)
        dtype = torch.float16 if self.training.save is Save.fp16 else torch.float32
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        kept = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
        save_file(kept, directory / "model.safetensors")
        if self._style is not None:
            self._style.save(directory)
        if not whole and self._base is not None:
            self._base.write(directory)  # its files are found again; they hold the encoder's shape and the tokenizer
        else:
            self._save_shape(directory)
            self._tokenizer.save_pretrained(directory)

    @classmethod
    def load(cls, directory: Path, backbones: Path | None = None) -> Self:
        from safetensors.torch import load_file

        member, weights = load_settings(cls, directory), load_file(directory / "model.safetensors")
        member._style = StyleInputs.load(directory) if member.head.style else None
        member._base = StoredBackbone.read(directory)
        if member._base is None:
            member._model = member._made_fast(member._pair_model(cls._empty_encoder(member, directory)))
            member._model.load_state_dict(weights)  # copied into fp32 weights
            member._use_tokenizer(load_tokenizer(directory))
            return member
        place = member._base.find(backbones)
        frozen = member.training.mode is Mode.frozen
        member._model = member._pair_model(
            FrozenEncoder(place, member.head.learns_pooling) if frozen else load_encoder(place)
        )
        load_trained_weights(member._model, weights, member.training.lora)
        member._made_fast(member._model)
        member._merged = member.training.mode is Mode.lora
        member._use_tokenizer(load_tokenizer(place))
        return member

    @classmethod
    def carried(cls, directory: Path, backbones: Path | None = None) -> dict[str, Path]:
        backbone = StoredBackbone.read(directory)
        return {} if backbone is None else {backbone.folder: backbone.find(backbones)}

    def _check_mode(self) -> None:
        if self.training.mode is not Mode.full and self._base is None:
            raise ConfigError(
                f"training.mode={self.training.mode.name} and backbone {self.name}, which is trained from scratch",
                "a pretrained backbone, whose weights are worth keeping as they are",
                "set training=full, or another backbone",
            )
        if self.training.together and not self._trains_pooled:
            raise ConfigError(
                f"training.together=true, training.mode={self.training.mode.name}, head.kind={self.head.kind.name}, "
                f"head.pooling={self.head.pooling.name}, training.schedule={self.training.schedule.name}, "
                f"training.patience={self.training.patience}",
                "training=frozen on a schedule without an inner split, and a head that learns no pooling",
                "leave training.together at null",
            )

    @property
    def _trains_pooled(self) -> bool:
        """Whether all there is to train is a head on pooled states, on a fixed schedule."""
        return self.training.mode is Mode.frozen and not (self.head.learns_pooling or self.training.selects)

    def _made_fast(self, model: PairModel) -> PairModel:
        """Choose arithmetic and attention for this machine; it may renew parameters, and so precedes the optimiser."""
        model.arithmetic = arithmetic(self.training.precision, loop.device())
        model.compiled = self.training.compile
        if self.training.mode is not Mode.frozen:
            install(model.encoder, loop.device())
        return model

    def _without_places(self) -> dict[str, Any]:
        """Return the fields to change before the settings are stored: paths mean nothing elsewhere."""
        return {}

    def _pair_model(self, encoder: Any) -> PairModel:
        style = (0, 0) if self._style is None else self._style.sizes
        return PairModel(encoder, self.head, self.pairing.kind, style)

    @property
    def _padding(self) -> int:
        return int(self._tokenizer.pad_token_id)

    def _use_tokenizer(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        known = f"{tokenizer.backend_tokenizer.to_str()} {sorted(tokenizer.special_tokens_map.items())}"
        vocabulary = short(hashlib.sha256(known.encode()).hexdigest())
        read = f"{self.pairing.kind.name} {self.text} {self.prompt_prefix!r} {self.response_prefix!r}"
        self._signature = self.cache_signature("tokens", vocabulary, read)

    def _encoded(self, pairs: Pairs, tokens: PairTokens) -> EncodedPairs:
        """Return what the frozen encoder gives for the pairs that these were taken from, whose tokens are given."""
        model, base = self._model, self._base
        if model is None or base is None:
            raise ValueError("features before a model")
        budget = self.training.token_budget
        kept = "states" if self.head.learns_pooling else self.head.pooling.name
        signature = f"encoded {base.fingerprint} {budget} {model.arithmetic} {kept} {self._signature}"
        compute = lambda _: encoded(model, tokens, self._padding, budget, base.fingerprint, self._cache)  # noqa: E731
        made, _ = shared(pairs, signature, compute)
        return replace(made, style=tokens.style)

    def _tokens(self, pairs: Pairs) -> tuple[PairTokens, NDArray[np.int64]]:
        prefixes, cross = (self.prompt_prefix, self.response_prefix), self.pairing.kind is Pairing.cross

        def compute(part: Pairs) -> PairTokens:
            return tokenize_pairs(self._tokenizer, part, self.text, *prefixes, cross=cross)

        def known(base: Pairs) -> PairTokens:
            tokens = cached_tokens(self._cache, self._signature, base, compute)
            warn_of_losses(tokens.audit, self.text)
            return tokens

        tokens, rows = shared(pairs, self._signature, known)
        if self._style is not None:
            tokens = replace(tokens, style=self._style.of_base(pairs))
        return tokens, np.arange(len(pairs)) if isinstance(rows, slice) else rows
