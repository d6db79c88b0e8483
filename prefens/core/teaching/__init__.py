"""What a member learns from beside votes: the targets of its training pairs, and a teacher's probabilities."""

from prefens.core.teaching.soft_labels import SoftLabels, TeacherSettings
from prefens.core.teaching.targets import NO_VOTE, Targets

__all__ = ["NO_VOTE", "SoftLabels", "Targets", "TeacherSettings"]
