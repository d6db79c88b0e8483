"""The fine-tuned encoders: a siamese pair model whose predictions are swap-symmetric by construction."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from prefens.digest import short
from prefens.members.backbones import check_directory, find_hub, fingerprint
from prefens.members.base import Context, FitReport, Member
from prefens.members.features import shared
from prefens.members.settings import load_settings, save_settings
from prefens.modeling.heads import HeadSettings
from prefens.modeling.pair_model import PairModel
from prefens.records import Floats, Pairs
from prefens.text.settings import TextSettings
from prefens.text.tokens import PairTokens, tokenize_pairs
from prefens.training import loop
from prefens.training.settings import Save, TrainingSettings

log = logging.getLogger(__name__)


@dataclass(eq=False)
class EncoderMember(Member):
    """A Hugging Face encoder, fine-tuned on prompt + A and prompt + B with an equivariant head.

    Parameters
    ----------
    name : hub id; path : a local directory that is read instead; revision : a hub commit, to pin the files.
    prompt_prefix, response_prefix : what the backbone was pretrained to see before a query and a passage.
    """

    name: str
    path: str | None = None
    revision: str | None = None
    prompt_prefix: str = ""
    response_prefix: str = ""
    text: TextSettings = field(default_factory=TextSettings)
    head: HeadSettings = field(default_factory=HeadSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)

    def __post_init__(self) -> None:
        self._model: PairModel | None = None
        self._tokenizer: Any = None
        self._signature = ""

    def identity(self) -> dict[str, Any]:
        """A local directory is known by its content, a hub model by its commit."""
        if self.path is not None:
            return {"files": fingerprint(check_directory(Path(self.path)))}
        return {"commit": find_hub(self.name, self.revision)[1]}

    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        from transformers import AutoModel

        directory = Path(self.path) if self.path is not None else find_hub(self.name, self.revision)[0]
        self._load_tokenizer(directory)
        tokens, rows = self._tokens(train)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(context.entropy)
            encoder = AutoModel.from_pretrained(
                directory, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
            )
            self._model = PairModel(encoder, self.head)
            curve = loop.train(self._model, tokens, rows, train.labels, self.training, context.entropy, self._padding)
        lost = {f"{part}_tokens_lost": share for part, share in tokens.audit.lost().items()}
        return FitReport(
            {"train_loss": curve}, {"parameters": sum(weight.numel() for weight in self._model.parameters()), **lost}
        )

    def predict_proba(self, pairs: Pairs) -> Floats:
        if self._model is None:
            raise ValueError("predict_proba before fit or load")
        tokens, rows = self._tokens(pairs)
        return loop.predict(self._model, tokens, rows, self.training.token_budget, self._padding)

    def save(self, directory: Path) -> None:
        from safetensors.torch import save_file

        if self._model is None:
            raise ValueError("save before fit")
        save_settings(replace(self, path=None), directory)
        if self.training.save is Save.none:
            return
        dtype = torch.float16 if self.training.save is Save.fp16 else torch.float32
        state = {
            name: weight.detach().cpu().to(dtype).contiguous() for name, weight in self._model.state_dict().items()
        }
        save_file(state, directory / "model.safetensors")
        self._model.encoder.config.save_pretrained(directory)
        self._tokenizer.save_pretrained(directory)

    @classmethod
    def load(cls, directory: Path, backbones: Path | None = None) -> Self:
        from safetensors.torch import load_file
        from transformers import AutoConfig, AutoModel

        member = load_settings(cls, directory)
        encoder: Any = AutoModel.from_config(AutoConfig.from_pretrained(directory), dtype=torch.float32)  # type: ignore[no-untyped-call]
        member._model = PairModel(encoder, member.head)
        member._model.load_state_dict(
            {name: weight.float() for name, weight in load_file(directory / "model.safetensors").items()}
        )
        member._load_tokenizer(directory)
        return member

    @property
    def _padding(self) -> int:
        return int(self._tokenizer.pad_token_id)

    def _load_tokenizer(self, directory: Path) -> None:
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
        vocabulary = fingerprint_tokenizer(self._tokenizer)
        self._signature = f"tokens {vocabulary} {self.text} {self.prompt_prefix!r} {self.response_prefix!r}"

    def _tokens(self, pairs: Pairs) -> tuple[PairTokens, Any]:
        tokens, rows = shared(
            pairs,
            self._signature,
            lambda base: tokenize_pairs(self._tokenizer, base, self.text, self.prompt_prefix, self.response_prefix),
        )
        return tokens, np.arange(len(pairs)) if isinstance(rows, slice) else rows


def fingerprint_tokenizer(tokenizer: Any) -> str:
    """Return a short digest of all that a fast tokenizer does to a text."""
    import hashlib

    return short(hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest())
