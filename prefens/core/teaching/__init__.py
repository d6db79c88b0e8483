"""What a member learns from beside votes: the targets of its training pairs, and a teacher's probabilities."""

from prefens.core.teaching.soft_labels import SoftLabels, TeacherSettings
from prefens.core.teaching.targets import Targets

__all__ = ["SoftLabels", "Targets", "TeacherSettings"]
