"""The settings of the group `teacher`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prefens.core.errors import ConfigError
from prefens.core.hashing import NOT_IDENTITY
from prefens.core.teaching import TeacherSettings


@dataclass
class TeacherConfig(TeacherSettings):
    """How a student learns, and from whom.

    Attributes
    ----------
    source : str or None
        "blend" for the stored best blend, the name of a stored member, or a file of out-of-fold probabilities; None for
        no teacher.
    unlabelled : list of str, or str
        Files of pairs that the teacher labels.

    Raises
    ------
    ConfigError
        A value is out of its range, or there are pairs to label and no teacher.
    """

    source: str | None = field(default=None, metadata=NOT_IDENTITY)
    unlabelled: Any = field(default_factory=list, metadata=NOT_IDENTITY)

    def __post_init__(self) -> None:
        super().__post_init__()
        files = [self.unlabelled] if isinstance(self.unlabelled, str) else self.unlabelled
        if not isinstance(files, list | tuple) or not all(isinstance(file, str) for file in files):
            raise ConfigError(f"teacher.unlabelled={files}", "files", "set teacher.unlabelled=[more.csv], say")
        self.unlabelled = list(files)
        if self.unlabelled and self.source is None:
            came = f"teacher.unlabelled={self.unlabelled} without a teacher"
            raise ConfigError(came, "a teacher that labels these pairs", "set teacher.source=blend, say")
