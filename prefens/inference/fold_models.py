"""Stored fold models: their folders, and how they are loaded by the kind of their member."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prefens.core.errors import BackboneError, PrefensError, StoreError
from prefens.core.tensors import refusal
from prefens.inference.batches import FoldModel
from prefens.members.base import Member
from prefens.members.registry import class_of, kinds
from prefens.members.training.reward_scale import RewardScale
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)


def load_model(spec: MemberSpec, folder: Path, backbones: Sequence[Path]) -> Member:
    """Load one fold model of a member.

    Parameters
    ----------
    spec : MemberSpec
        The member.
    folder : Path
        Folder of the fold model.
    backbones : sequence of Path
        Folders of backbone files that go before the installed ones.

    Raises
    ------
    StoreError
        If the member is of an unknown kind, or if the files of the model are damaged.
    BackboneError
        If the files of its backbone are missing.
    PermissionError
        If this user may not read one of its files.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            path.open("rb").close()  # safetensors says "No such file" of one that this user may not read
    try:
        return member_class(spec).load(folder, backbones)
    except PrefensError:
        raise
    except Exception as error:  # whatever the libraries make of the files of a tokenizer, say
        came = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')[:200]}"
        raise refusal(folder, came, f"the model of a {spec.kind} member") from error


def member_class(spec: MemberSpec) -> type[Member]:
    """Return the class of a member's kind.

    Raises
    ------
    StoreError
        If the kind is not registered.
    """
    try:
        return class_of(str(spec.kind))
    except KeyError as error:
        raise StoreError(
            f"{spec.name} is of the kind {spec.kind!r}",
            f"one of {', '.join(kinds())}",
            "install the package that has the kind, or train the member again",
        ) from error


def model_folders(split: SplitStore, spec: MemberSpec, folds: Sequence[int]) -> list[Path]:
    """Return the folders of a member's models of some folds, whose files are as they were written.

    Raises
    ------
    StoreError
        If a fold has no model, or a damaged one, or if the member is external.
    """
    return [model_folder(split, spec, fold) for fold in folds]


def model_folder(split: SplitStore, spec: MemberSpec, fold: int) -> Path:
    """Return the folder of one fold model, whose files are as they were written; StoreError as in `model_folders`."""
    if spec.kind is None:
        raise StoreError(
            f"{spec.name} is external: the store has its probabilities and no model",
            "members trained here; the program that made this one can predict the test pairs",
            f"give them: blend=blend.json 'members={{{spec.name}: test.csv, ...}}'; or blend without it",
        )
    folder = split.fold_dir(spec.name, fold) / "model"
    if not split.has_model(spec, fold):
        raise StoreError(
            f"{folder}: no stored model",
            "one per fold",
            "train the member again (force=true, training.save=fp16)",
        )
    return folder


def required_backbones(
    members: Iterable[tuple[MemberSpec, Sequence[Path]]], backbones: Sequence[Path]
) -> list[dict[str, Path]]:
    """Return of each member the directories of the backbones that its fold models need, by the names of their folders.

    Parameters
    ----------
    members : iterable of tuple of MemberSpec and sequence of Path
        The members, each with folders of fold models.
    backbones : sequence of Path
        Folders of backbone files that go before the installed ones.

    Raises
    ------
    BackboneError
        If the files of backbones are missing; all of them are named.
    """
    required: list[dict[str, Path]] = []
    missing: dict[str, BackboneError] = {}
    for spec, models in members:
        required.append({})
        try:
            for model in models:
                required[-1] |= member_class(spec).required_backbones(model, backbones)
        except BackboneError as error:
            missing.setdefault(error.came, error)
    if missing:
        raise _joined(list(missing.values()))
    return required


def model_groups(
    split: SplitStore,
    specs: Sequence[MemberSpec],
    folds: Sequence[int],
    backbones: Sequence[Path],
    loaded: Mapping[str, Sequence[FoldModel]],
) -> list[list[FoldModel]]:
    """Return the models of members, those of one backbone together, since they share it in memory.

    Parameters
    ----------
    split : SplitStore
        The part of the store that the members are in.
    specs : sequence of MemberSpec
        The members.
    folds : sequence of int
        The fold runs whose models are returned.
    backbones : sequence of Path
        Folders of backbone files that go before the installed ones.
    loaded : mapping of str to sequence of FoldModel
        From a member to its models that are in memory.

    Raises
    ------
    StoreError
        If a member has no stored model, or a damaged one.
    BackboneError
        If the files of backbones are missing; all of them are named.
    """
    groups: dict[Any, list[FoldModel]] = {spec.name: [*loaded[spec.name]] for spec in specs if spec.name in loaded}
    members = [(spec, model_folders(split, spec, folds)) for spec in specs if spec.name not in loaded]
    required = required_backbones([(spec, folders[:1]) for spec, folders in members], backbones)
    for (spec, folders), shared in zip(members, required, strict=True):
        for fold, folder in zip(folds, folders, strict=True):
            run, scale = split.record(spec, fold), partial(RewardScale.read, folder)
            model = FoldModel(spec.name, run.content, partial(load_model, spec, folder, backbones), run, scale)
            groups.setdefault(tuple(sorted(shared)) or (spec.name, fold), []).append(model)
    return list(groups.values())


def _joined(errors: Sequence[BackboneError]) -> BackboneError:
    """Return one error that names what several name."""
    came, expected, do = (
        dict.fromkeys(getattr(error, part) for error in errors) for part in ("came", "expected", "do")
    )
    return BackboneError("; ".join(came), "; ".join(expected), "; ".join(do))
