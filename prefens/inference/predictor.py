"""Predicting new pairs with stored members and a fitted blend, from plain files that may be read-only."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from prefens.core.errors import BLEND_AGAIN, StoreError
from prefens.core.files import link_tree, write_json
from prefens.core.metrics import outcome_shares
from prefens.core.types import Floats, Pairs
from prefens.data.loaded import LoadedPairs
from prefens.data.submission import submission_format
from prefens.ensemble.base import Blender
from prefens.ensemble.decision import ARGMAX, Decision
from prefens.inference.fitted_blender import read_predictor, stored_blender
from prefens.inference.fold_models import load_model, member_class
from prefens.members.backbone_files import copy_backbone
from prefens.members.base import Member
from prefens.members.style import all_features
from prefens.store.integrity import check_manifest, write_manifest
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)

FILE_NAME = "predictor.json"
TRAINING_FILES = ("predictions.parquet", "*.failed.json", ".*")  # of a fold run, what predicting does not need


@dataclass(frozen=True)
class Predictor:
    """Stored members with a fitted blender: all that leads from pairs to probabilities.

    Attributes
    ----------
    store : SplitStore
        The folder with members/, part of a store or written by `save`; its folds are not read.
    method : str
        Name of the blending method.
    members : sequence of str
        Names of the members, in the order that the blender was fitted on; those it does not use are not loaded.
    blender : Blender
        The fitted blender.
    k : int
        Number of fold models of each member.
    prior : ndarray of shape (K,)
        The outcome shares, which malformed rows get.
    backbones : sequence of Path
        Folders of backbone files that go before the installed ones.
    decision : Decision
        From probabilities to one outcome, where that is asked for.
    out_format : str
        What predictions are written as where nothing else is asked for: "one_hot" or "winner".
    loaded : dict of str to list of Member
        From a member to its fold models that are in memory; other members are read at each prediction.
    """

    store: SplitStore
    method: str
    members: Sequence[str]
    blender: Blender
    k: int
    prior: Floats
    backbones: Sequence[Path]
    decision: Decision = ARGMAX
    out_format: str = "one_hot"
    loaded: dict[str, list[Member]] = field(default_factory=dict)

    @classmethod
    def of_store(cls, split: SplitStore, method: str, backbones: Sequence[Path] = ()) -> Self:
        """Return the predictor of a stored blend.

        Parameters
        ----------
        split : SplitStore
            The part of the store that the blend is in.
        method : str
            A method of this blend, or "best".
        backbones : sequence of Path
            Folders that are searched before the store's own.

        Raises
        ------
        StoreError
            If there is no blend, if it is damaged, or if it has no such method.
        """
        stored = stored_blender(split.find_blend(), method)
        folders = [*backbones, split.path.parents[1] / "backbones"]
        folds = split.folds
        prior = outcome_shares(folds.label[folds.scored], folds.n_outcomes)
        out_format = submission_format(folds.format, folds.n_outcomes)
        parts = stored.name, stored.members, stored.blender, folds.k, prior, folders, stored.decision, out_format
        return cls(split, *parts)

    @classmethod
    def load(cls, folder: Path, backbones: Sequence[Path] = ()) -> Self:
        """Return the predictor that `save` wrote; `backbones` are searched before its own folder of backbones.

        Raises
        ------
        StoreError
            If the folder holds none, or if a file of it is missing or damaged.
        """
        path = folder / FILE_NAME
        if not path.is_file():
            raise StoreError(f"no {path}", "a model that a blend saved", BLEND_AGAIN)
        check_manifest(folder, BLEND_AGAIN)
        content, blender = read_predictor(path)
        prior, folders = np.array(content.prior, dtype=np.float64), [*backbones, folder / "backbones"]
        parts = content.method, content.members, blender, content.k, prior, folders
        return cls(SplitStore(folder), *parts, Decision(content.tie_weight), content.out_format)

    def save(self, folder: Path) -> None:
        """Write predictor.json, the members' models and the backbone files they need; no labels, ids or texts.

        Models are hard links where the file system has them; a manifest records all files.

        Raises
        ------
        StoreError
            If a member has no stored model, or a damaged one.
        BackboneError
            If the files of a backbone are missing, or links that lead out of its folder.
        """
        self.link_files(folder / "members", folder / "backbones")
        write_json(folder / FILE_NAME, self.as_dict())
        write_manifest(folder)

    def link_files(self, members: Path, backbones: Path) -> None:
        """Put the used members' models and their backbone files into two folders, as `save` does.

        Raises
        ------
        StoreError
            If a member has no stored model, or a damaged one.
        BackboneError
            If the files of a backbone are missing, or links that lead out of its folder.
        """
        required: dict[str, Path] = {}
        for spec in self.specs():
            for folder in self.model_folders(spec):  # checks that there is one for each fold
                required |= member_class(spec).required_backbones(folder, self.backbones)
            link_tree(self.store.member_dir(spec.name), members / spec.name, leave_out=TRAINING_FILES)
        for name, directory in required.items():
            copy_backbone(directory, backbones / name)

    def as_dict(self) -> dict[str, Any]:
        """Return the content of predictor.json."""
        decision = {} if self.decision.tie_weight == 1 else {"tie_weight": self.decision.tie_weight}
        return {
            "method": self.method,
            "members": list(self.members),
            "state": self.blender.state(),
            "k": self.k,
            "prior": self.prior.tolist(),
            **decision,
            **({} if self.out_format == "one_hot" else {"out_format": self.out_format}),
        }

    @property
    def used(self) -> list[str]:
        """Names of the members whose probabilities change a prediction."""
        return [name for name, is_used in zip(self.members, self.blender.used, strict=True) if is_used]

    def specs(self) -> list[MemberSpec]:
        """Return the used members, in the blender's order.

        Raises
        ------
        StoreError
            If one of them is not in the store, or if its member.json is damaged.
        """
        stored = self.store.member_names()
        missing = sorted(set(self.used) - set(stored))
        if missing:
            raise StoreError(
                f"the blend has members {', '.join(missing)}", f"some of {', '.join(stored)}", "blend again"
            )
        return [self.store.member(name) for name in self.used]

    def contents(self) -> dict[str, list[str]]:
        """Return of each used member the digests of its fold runs, which tell whether it was trained again.

        Raises
        ------
        StoreError
            If a member is missing, not complete, or damaged as far as its JSON files tell.
        """
        return {spec.name: [self.store.record(spec, fold).content for fold in range(self.k)] for spec in self.specs()}

    def load_all(self) -> None:
        """Load all models into memory and keep them there: for a server, which predicts again and again."""
        self.loaded.update({spec.name: list(self.models(spec)) for spec in self.specs()})

    def predict_rows(self, loaded: LoadedPairs) -> Floats:
        """Return (n, K) probabilities for all rows of the input; malformed ones get the class prior."""
        probabilities = np.tile(self.prior, (len(loaded.ids), 1))
        if len(loaded.pairs):
            probabilities[loaded.rows] = self.predict_pairs(loaded.pairs)
        return probabilities

    def predict_pairs(self, pairs: Pairs) -> Floats:
        """Return (n, K) probabilities: the blend of the members' means over their fold models.

        Raises
        ------
        StoreError
            If a member or one of its models is not there.
        BackboneError
            If the files of a backbone are missing.
        """
        specs = self.specs()
        for spec in specs:
            if spec.name not in self.loaded:
                folders = self.model_folders(spec)  # what is missing is named before the first member starts to work
                member_class(spec).required_backbones(folders[0], self.backbones)
        stacked = np.full((len(self.members), len(pairs), len(self.prior)), 1.0 / len(self.prior))
        for spec in specs:
            log.info("predicting with %s", spec.name)
            stacked[list(self.members).index(spec.name)] = self.member_probabilities(spec, pairs)
        blended = self.blender.predict(stacked, all_features(pairs) if self.blender.wants_features else None)
        normalized: Floats = blended / blended.sum(axis=1, keepdims=True)
        return normalized

    def member_probabilities(self, spec: MemberSpec, pairs: Pairs) -> Floats:
        """Return the (n, K) mean of a member's fold models."""
        total = np.zeros((len(pairs), len(self.prior)))
        for model in self.models(spec):
            total += model.predict_proba(pairs)
        return total / self.k

    def models(self, spec: MemberSpec) -> Iterator[Member]:
        """Yield the k fold models of a member; one at a time is in memory, unless `load_all` has loaded them."""
        if spec.name in self.loaded:
            yield from self.loaded[spec.name]
            return
        for folder in self.model_folders(spec):
            yield load_model(spec, folder, self.backbones)

    def model_folders(self, spec: MemberSpec) -> list[Path]:
        """Return the folders of a member's k fold models, whose files are as they were written.

        Raises
        ------
        StoreError
            If a fold has no model, or a damaged one, or if the member is external.
        """
        if spec.kind is None:
            raise StoreError(
                f"{spec.name} is external: the store has its probabilities and no model",
                "members trained here; the program that made this one can predict the test pairs",
                f"give them: blend=blend.json 'members={{{spec.name}: test.csv, ...}}'; or blend without it",
            )
        folders = [self.store.fold_dir(spec.name, fold) / "model" for fold in range(self.k)]
        for fold, folder in enumerate(folders):
            if not self.store.has_model(spec, fold):
                raise StoreError(
                    f"{folder}: no stored model",
                    "one per fold",
                    "train the member again (force=true, training.save=fp16)",
                )
        return folders
