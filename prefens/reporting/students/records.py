"""The distillations that lie beside the students of a store, those that still hold."""

from __future__ import annotations

from dataclasses import dataclass, field

from prefens.core.errors import StoreError
from prefens.ensemble.distillation import Distillation
from prefens.ensemble.files.distillation_file import DISTIL_AGAIN, FILE_NAME, read_distillation
from prefens.store.split_store import SplitStore


@dataclass(frozen=True, eq=False)
class StudentRecords:
    """What is known of the students of one part of the store.

    Attributes
    ----------
    distillations : list of Distillation
        Those whose students are stored as they were when they were compared, sorted by name.
    refused : dict of str to str
        From another student to why its file is not shown.
    """

    distillations: list[Distillation] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def read_students(split: SplitStore) -> StudentRecords:
    """Read the distillation beside each student; what is damaged, or of runs that are gone, is named and left out.

    Raises
    ------
    StoreError
        The folds of the split are damaged.
    """
    records, folds = StudentRecords(), split.folds
    for name in split.member_names():
        path = split.member_dir(name) / FILE_NAME
        if not path.exists():
            continue
        try:
            distillation = read_distillation(path, folds)
            runs = split.contents(split.member(name))
            if (distillation.student, [*distillation.content]) != (name, runs):
                raise StoreError(f"{path}: of other runs than those that are stored", f"{name}'s", DISTIL_AGAIN)
        except StoreError as error:
            records.refused[name] = error.came
        else:
            records.distillations.append(distillation)
    return records
