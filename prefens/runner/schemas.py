"""The commands' settings, typed: a scalar of another type and a name that there is not are refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from prefens.inference.reward_ensemble import Ensemble


@dataclass
class RecipeConfig:
    """Settings that describe members, and where they are trained."""

    data: Any = MISSING
    folds: Any = MISSING
    backbone: Any = MISSING
    pairing: Any = MISSING
    head: Any = MISSING
    text: Any = MISSING
    training: Any = MISSING
    teacher: Any = MISSING
    tracking: Any = MISSING
    experiment: Any = None
    seed: int = MISSING
    backbones: str | None = None
    budget_minutes: float | None = None
    threads: int | None = None
    out: str = MISSING


@dataclass
class TrainConfig(RecipeConfig):
    """Settings of `python -m prefens.train`."""

    fold: int | None = None
    full: bool = False
    force: bool = False
    early_discard: float | None = None


@dataclass
class DistilConfig(RecipeConfig):
    """Settings of `python -m prefens.distil`."""

    force: bool = False
    cost_pairs: int = MISSING


@dataclass
class TuneConfig(RecipeConfig):
    """Settings of `python -m prefens.tune`."""

    space: Any = None  # a mapping; Hydra takes new keys only in place of null
    trials: int = MISSING
    startup: int = MISSING
    storage: str | None = None


@dataclass
class StoredConfig:
    """Settings of the commands that read the store."""

    tracking: Any = MISSING
    data: Any = MISSING
    data_digest: str | None = None
    fold_digest: str | None = None
    backbones: str | None = None
    threads: int | None = None
    out: str = MISSING


@dataclass
class BlendConfig(StoredConfig):
    """Settings of `python -m prefens.blend`."""

    blender: Any = MISSING
    calibrations: list[str] = field(default_factory=list)
    members: Any = None  # names or a mapping; Hydra takes new keys only in place of null
    columns: Any = None  # a mapping, likewise
    labels: str | None = None
    folds: Any = MISSING
    fold_file: str | None = None
    partial: bool = False
    metric: str = MISSING
    resamples: int = MISSING
    recheck: int = MISSING
    model: bool = MISSING
    copy_backbones: bool | None = None


@dataclass
class ReportConfig(StoredConfig):
    """Settings of `python -m prefens.report`."""

    blend: str | None = None
    only: str | None = None
    swaps: int = MISSING
    texts: int = MISSING
    resamples: int = MISSING


@dataclass
class RateConfig:
    """Settings of `python -m prefens.rate`."""

    tracking: Any = MISSING
    data: Any = MISSING
    blend: str | None = None
    predictors: Any = None  # names or a mapping; Hydra takes new keys only in place of null
    columns: Any = None  # a mapping, likewise
    style: bool = MISSING
    resamples: int = MISSING
    data_digest: str | None = None
    fold_digest: str | None = None
    threads: int | None = None
    out: str = MISSING


@dataclass
class JudgeConfig(StoredConfig):
    """Settings of `python -m prefens.judge`."""

    predictors: Any = None  # names or a mapping; Hydra takes new keys only in place of null
    columns: Any = None  # a mapping, likewise
    model: str | None = None
    subset_column: str | None = None
    budget_minutes: float | None = None


@dataclass
class PredictConfig(StoredConfig):
    """Settings of `python -m prefens.predict`."""

    method: str = MISSING
    blend: str | None = None
    members: Any = None  # files or a mapping; Hydra takes new keys only in place of null
    columns: Any = None  # a mapping, likewise
    model: str | None = None
    budget_minutes: float | None = None
    out_format: str | None = None


@dataclass
class ScoreConfig(StoredConfig):
    """Settings of `python -m prefens.score`."""

    method: str = MISSING
    member: str | None = None
    model: str | None = None
    ensemble: Ensemble | None = None
    max_pairs: int = MISSING
    budget_minutes: float | None = None


@dataclass
class CompareConfig:
    """Settings of `python -m prefens.compare`."""

    tracking: Any = MISSING
    data: Any = MISSING
    method: str = MISSING
    model: str | None = None
    data_digest: str | None = None
    fold_digest: str | None = None
    backbones: str | None = None
    threads: int | None = None
    out: str | None = None


@dataclass
class ExportConfig:
    """Settings of `python -m prefens.export`."""

    tracking: Any = MISSING
    member: str | None = None
    fold: int | str = MISSING  # "all", or a number
    data_digest: str | None = None
    fold_digest: str | None = None
    backbones: str | None = None
    threads: int | None = None
    out: str = MISSING


@dataclass
class ImportConfig:
    """Settings of `python -m prefens.import_oof`."""

    tracking: Any = MISSING
    path: str | None = None
    name: str | None = None
    columns: Any = None  # a mapping; Hydra takes new keys only in place of null
    data_digest: str | None = None
    fold_digest: str | None = None
    force: bool = False


@dataclass
class ConvertConfig:
    """Settings of `python -m prefens.convert`."""

    data: Any = MISSING
    out_format: str = MISSING
    out: str = MISSING


@dataclass
class KaggleConfig:
    """Settings of `python -m prefens.kaggle`."""

    tracking: Any = MISSING
    data_digest: str | None = None
    fold_digest: str | None = None
    method: str = MISSING
    backbones: str | None = None
    packages: list[str] = field(default_factory=list)
    out: str = MISSING


@dataclass
class UiConfig:
    """Settings of `python -m prefens.ui`."""

    tracking: Any = MISSING
    host: str = MISSING
    port: int = MISSING


@dataclass
class ServeConfig:
    """Settings of `python -m prefens.serve`."""

    tracking: Any = MISSING
    method: str = MISSING
    model: str | None = None
    data_digest: str | None = None
    fold_digest: str | None = None
    backbones: str | None = None
    host: str = MISSING
    port: int = MISSING
    max_megabytes: float = MISSING
    max_rows: int = MISSING
    timeout: int = MISSING
    threads: int | None = None


@dataclass
class ServerConfig:
    """Settings of `python -m prefens.server`."""

    tracking: Any = MISSING
    folder: str = MISSING
    host: str = MISSING
    port: int = MISSING
    workers: int = MISSING
    postgres: str | None = None


@dataclass
class SyncConfig:
    """Settings of `python -m prefens.sync`."""

    tracking: Any = MISSING


@dataclass
class StatusConfig:
    """Settings of `python -m prefens.status`."""

    tracking: Any = MISSING
    watch: Any = False
    json: bool = False
    out: str | None = None


SCHEMAS = {
    "train": TrainConfig,
    "tune": TuneConfig,
    "distil": DistilConfig,
    "blend": BlendConfig,
    "report": ReportConfig,
    "rate": RateConfig,
    "judge": JudgeConfig,
    "predict": PredictConfig,
    "score": ScoreConfig,
    "compare": CompareConfig,
    "export": ExportConfig,
    "import_oof": ImportConfig,
    "convert": ConvertConfig,
    "kaggle": KaggleConfig,
    "ui": UiConfig,
    "serve": ServeConfig,
    "server": ServerConfig,
    "sync": SyncConfig,
    "status": StatusConfig,
}
