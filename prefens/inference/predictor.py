"""Predicting new pairs with a fitted blend of stored members, or with one of them, from files that may be read-only."""

from __future__ import annotations

import logging
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from prefens.core.errors import BLEND_AGAIN, StoreError
from prefens.core.files import link_tree, write_json
from prefens.core.fold_run import FULL
from prefens.core.metrics import outcome_shares
from prefens.core.types import Floats, Pairs
from prefens.data.loaded import LoadedPairs
from prefens.data.submission import submission_format
from prefens.ensemble.base import Blender
from prefens.ensemble.decision import ARGMAX, Decision
from prefens.inference.batches import FoldModel, predict_groups
from prefens.inference.fitted_blender import read_predictor, stored_method
from prefens.inference.fold_models import model_folders, model_groups, required_backbones
from prefens.inference.reward_ensemble import Ensemble
from prefens.inference.rewards import block_rewards
from prefens.inference.unfinished import Unfinished
from prefens.members.backbone_files import copy_backbone
from prefens.members.backbone_ref import BackboneRef
from prefens.members.style import all_features
from prefens.store.integrity import check_manifest, write_manifest
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)

FILE_NAME = "predictor.json"
# Of a member, what predicting does not need.
TRAINING_FILES = ("predictions.parquet", "distillation.parquet", "nested", "*.failed.json", ".*")


@dataclass(frozen=True)
class Predictor:
    """Stored members with a fitted blender, or one alone: all that leads from pairs to probabilities.

    Attributes
    ----------
    store : SplitStore
        The folder with members/, part of a store or written by `save`; its folds are not read.
    method : str
        Name of the blending method, or of the member that predicts alone.
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
    reads_plain : bool
        Whether its data was no JSON lists of turns alone, so that the texts of a request may be plain.
    full : bool
        Whether the one member predicts with its full fit alone, trained on all folds at once; else with fold models.
    loaded : dict of str to list of FoldModel
        From a member to its models that are in memory; other members are read at each prediction.
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
    reads_plain: bool = False
    full: bool = False
    loaded: dict[str, list[FoldModel]] = field(default_factory=dict)

    @classmethod
    def of_store(cls, split: SplitStore, method: str, backbones: Sequence[Path] = ()) -> Self:
        """Return the predictor of a stored blend, or of one stored member, which needs no blend.

        Parameters
        ----------
        split, method : SplitStore and str
            As in `stored_method`.
        backbones : sequence of Path
            Folders that are searched before the store's own.

        Raises
        ------
        StoreError
            As in `stored_method`.
        """
        stored, folds = stored_method(split, method), split.folds
        folders = [*backbones, split.path.parents[1] / "backbones"]
        prior = outcome_shares(folds.label[folds.scored], folds.n_outcomes)
        out_format = submission_format(folds.format, folds.n_outcomes)
        parts = stored.name, stored.members, stored.blender, folds.k, prior, folders, stored.decision, out_format
        predictor = cls(split, *parts, folds.format not in ("", "one_hot"), stored.full)
        if predictor.fit is not None:
            log.info("%s predicts alone: %s", stored.name, predictor.fit)
        return predictor

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
        check_manifest(folder, BLEND_AGAIN, FILE_NAME)
        content, blender = read_predictor(path)
        prior, folders = np.array(content.prior, dtype=np.float64), [*backbones, folder / "backbones"]
        parts = content.method, content.members, blender, content.k, prior, folders
        reads_plain = content.texts == "plain" or content.out_format == "winner"  # files of before say the latter alone
        store = SplitStore(folder, content.k)
        return cls(store, *parts, Decision(content.tie_weight), content.out_format, reads_plain, content.full)

    def save(self, folder: Path, without: Container[str] = ()) -> None:
        """Write predictor.json, the members' models and the backbone files they need; no labels, ids or texts.

        Models are hard links where the file system has them; a manifest records all files. `without` is that of
        `link_files`.

        Raises
        ------
        StoreError
            If a member has no stored model, or a damaged one.
        BackboneError
            If the files of a backbone are missing, or links that lead out of its folder.
        """
        self.link_files(folder / "members", folder / "backbones", without)
        write_json(folder / FILE_NAME, self.as_dict())
        write_manifest(folder)

    def link_files(self, members: Path, backbones: Path, without: Container[str] = ()) -> None:
        """Put the used members' models and their backbone files into two folders, as `save` does.

        `without` has the folders of backbones that are left out.

        Raises
        ------
        StoreError
            If a member has no stored model, or a damaged one.
        BackboneError
            If the files of backbones are missing, all of which are named, or links that lead out of their folder.
        """
        models = [(spec, model_folders(self.store, spec, self.folds)) for spec in self.specs()]
        others = "fold-*" if self.full else FULL
        required = required_backbones(models, self.backbones)
        for spec, _ in models:
            link_tree(self.store.member_dir(spec.name), members / spec.name, leave_out=[*TRAINING_FILES, others])
        copied = {name: path for each in required for name, path in each.items() if name not in without}
        for name, directory in copied.items():
            copy_backbone(directory, backbones / name)

    def references(self) -> dict[str, BackboneRef]:
        """Return the backbones that the used models refer to, by folder name; StoreError as in `link_files`."""
        folders = [folder for spec in self.specs() for folder in model_folders(self.store, spec, self.folds)]
        references = [BackboneRef.read(folder) for folder in folders]
        return {backbone.folder: backbone for backbone in references if backbone is not None}

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
            **({"texts": "plain"} if self.reads_plain else {}),
            **({"full": True} if self.full else {}),
        }

    @property
    def folds(self) -> list[int]:
        """The fold runs whose models predict: all k, or k for the full fit."""
        return [self.k] if self.full else list(range(self.k))

    @property
    def fit(self) -> str | None:
        """What the member that predicts alone does it with, in words; None for a blend."""
        if [self.method] != [*self.members]:
            return None
        return "its full fit, one model" if self.full else f"the mean of its {self.k} fold models"

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
            came = f"the blend has members {', '.join(missing)}"
            raise StoreError(came, f"some of {', '.join(stored)}", "blend again")
        return [self.store.member(name) for name in self.used]

    def contents(self) -> dict[str, list[str]]:
        """Return of each used member the digests of its fold runs, which tell whether it was trained again.

        Raises
        ------
        StoreError
            If a member is missing, not complete, or damaged as far as its JSON files tell.
        """
        return {spec.name: [self.store.record(spec, fold).content for fold in self.folds] for spec in self.specs()}

    def load_all(self) -> None:
        """Load all models into memory and keep them there: for a server, which predicts again and again."""
        models = [model.in_memory() for group in self.groups() for model in group]
        self.loaded.update({name: [model for model in models if model.member == name] for name in self.used})

    def predict_rows(self, loaded: LoadedPairs, unfinished: Unfinished | None = None) -> Floats:
        """Return (n, K) probabilities for all rows of the input; malformed ones get the class prior."""
        probabilities = np.tile(self.prior, (len(loaded.ids), 1))
        if len(loaded.pairs):
            probabilities[loaded.rows] = self.predict_pairs(loaded.pairs, unfinished)
        return probabilities

    def predict_pairs(self, pairs: Pairs, unfinished: Unfinished | None = None) -> Floats:
        """Return (n, K) probabilities: the blend of the members' means over their models.

        Parameters
        ----------
        pairs : Pairs
            n pairs.
        unfinished : Unfinished or None
            What a stopped prediction has done, and where this one leaves what it has done when it is stopped.

        Raises
        ------
        StoreError
            If a member or one of its models is not there.
        BackboneError
            If the files of a backbone are missing.
        Stopped
            If the process was asked to stop, or its time budget is spent.
        """
        return self.blend(self.member_probabilities([pairs], unfinished)[0], pairs)

    def member_probabilities(self, blocks: Sequence[Pairs], unfinished: Unfinished | None = None) -> list[Floats]:
        """Return of each block of pairs (M, n, K) probabilities, in the order of `members`: means over their models.

        Those of unused members are uniform. No block changes a bit of another one's. Parameters and errors as in
        `predict_pairs`.
        """
        unfinished = Unfinished() if unfinished is None else unfinished
        sums = predict_groups(self.groups(), blocks, len(self.prior), unfinished)
        ends = np.cumsum([len(block) for block in blocks])[:-1]
        stacked = np.full((len(self.members), sum(map(len, blocks)), len(self.prior)), 1.0 / len(self.prior))
        for name, total in sums.items():
            stacked[list(self.members).index(name)] = total / len(self.folds)
        return [np.ascontiguousarray(own) for own in np.split(stacked, ends, axis=1)]

    def blend(self, stacked: Floats, pairs: Pairs) -> Floats:
        """Return the blend, (n, K), of what `member_probabilities` returned of n pairs."""
        blended = self.blender.predict(stacked, all_features(pairs) if self.blender.wants_features else None)
        normalized: Floats = blended / blended.sum(axis=1, keepdims=True)
        return normalized

    def rewards(self, pairs: Pairs, ensemble: Ensemble | None = None) -> Floats | None:
        """Return the rewards of the responses A, (n,); errors and None as in `block_rewards`."""
        rewards = block_rewards(self, [pairs], ensemble)
        return None if rewards is None else rewards[0]

    def groups(self) -> list[list[FoldModel]]:
        """Return the models of the used members; see `model_groups`, and its errors."""
        return model_groups(self.store, self.specs(), self.folds, self.backbones, self.loaded)
