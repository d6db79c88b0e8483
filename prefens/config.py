"""The commands' settings: schemas, typed parts, and what of them is a member's recipe.

Scalars of a command are typed by the dataclasses here. A part (data, backbone, text, ...) is typed by the
dataclass that it becomes: the one its `_target_` names, or the one the caller asks for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from hydra.core.config_store import ConfigStore
from hydra.errors import InstantiationException
from hydra.utils import get_class
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from prefens.errors import ConfigError

T = TypeVar("T")

_PACKAGE = Path(__file__).resolve().parent
CONF_DIR = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"  # a wheel; a checkout
RECIPE_GROUPS = ("text", "pairing", "head", "training")  # beside backbone; a member has those it names as fields
UNDECISIVE = "path training.save training.checkpoint_minutes training.gradient_checkpointing training.guard".split()


@dataclass
class Tracking:
    """Where results go.

    Attributes
    ----------
    root : everything the program writes, the store first.
    experiment : MLflow's; mlflow : whether runs are tracked there.
    uri : http(s)://HOST:PORT of an MLflow server, or None for SQLite under `root`.
    """

    root: str
    experiment: str
    mlflow: bool
    uri: str | None = None


@dataclass
class TrainConfig:
    """Settings of `python -m prefens.train`."""

    data: Any = MISSING
    folds: Any = MISSING
    backbone: Any = MISSING
    pairing: Any = MISSING
    head: Any = MISSING
    text: Any = MISSING
    training: Any = MISSING
    tracking: Any = MISSING
    experiment: Any = None
    seed: int = MISSING
    fold: int | None = None
    force: bool = False
    budget_minutes: float | None = None
    threads: int | None = None
    out: str = MISSING


@dataclass
class TuneConfig(TrainConfig):
    """Settings of `python -m prefens.tune`."""

    space: Any = None  # a mapping; Hydra takes new keys only in place of null
    trials: int = MISSING
    startup: int = MISSING
    storage: str = MISSING


@dataclass
class StoredConfig:
    """Settings of the commands that read the store."""

    tracking: Any = MISSING
    data: Any = MISSING
    data_digest: str | None = None
    fold_digest: str | None = None
    threads: int | None = None
    out: str = MISSING


@dataclass
class MethodsConfig(StoredConfig):
    """Settings of the commands that blend members: which ones, on what, and by which methods."""

    blender: Any = MISSING
    calibrations: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    columns: Any = None  # a mapping; Hydra takes new keys only in place of null
    labels: str | None = None
    folds: Any = MISSING
    fold_file: str | None = None
    partial: bool = False
    resamples: int = MISSING


@dataclass
class BlendConfig(MethodsConfig):
    """Settings of `python -m prefens.blend`."""

    recheck: int = MISSING
    model: bool = MISSING


@dataclass
class ReportConfig(MethodsConfig):
    """Settings of `python -m prefens.report`."""

    only: str | None = None
    swaps: int = MISSING
    texts: int = MISSING


@dataclass
class PredictConfig(StoredConfig):
    """Settings of `python -m prefens.predict`."""

    method: str = MISSING
    blend: str | None = None
    members: Any = None  # a mapping, likewise
    columns: Any = None  # a mapping; Hydra takes new keys only in place of null
    model: str | None = None


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
class KaggleConfig:
    """Settings of `python -m prefens.kaggle`."""

    tracking: Any = MISSING
    data_digest: str | None = None
    fold_digest: str | None = None
    method: str = MISSING
    packages: list[str] = field(default_factory=list)
    out: str = MISSING


@dataclass
class UiConfig:
    """Settings of `python -m prefens.ui`."""

    tracking: Any = MISSING
    host: str = MISSING
    port: int = MISSING


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
class DeliverConfig:
    """Settings of `python -m prefens.deliver`."""

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
    "blend": BlendConfig,
    "report": ReportConfig,
    "predict": PredictConfig,
    "import_oof": ImportConfig,
    "kaggle": KaggleConfig,
    "ui": UiConfig,
    "server": ServerConfig,
    "deliver": DeliverConfig,
    "status": StatusConfig,
}
for _name, _schema in SCHEMAS.items():
    ConfigStore.instance().store(name=f"{_name}_schema", node=_schema)


def build(node: Any, kind: type[T] | None = None, **parts: Any) -> T:
    """Return the dataclass that a config node describes.

    Parameters
    ----------
    node : a DictConfig of its fields; `_target_` is the import path of the dataclass where `kind` is None.
    parts : config nodes for fields that are dataclasses themselves; those it has no field for are left out.

    Raises
    ------
    ConfigError for an unknown field, a value of another type, or a target that can't be imported.
    """
    try:
        known = kind or target_class(node)
        if not is_dataclass(known) and set(node) == {"_target_"}:
            return cast(T, known())
        named = {item.name for item in fields(known)}  # type: ignore[arg-type]
        given = {name: value for name, value in node.items() if name != "_target_"}
        schema = OmegaConf.structured(known, flags={"readonly": False})
        merged = OmegaConf.merge(schema, {**given, **{name: part for name, part in parts.items() if name in named}})
        return OmegaConf.to_object(merged)  # type: ignore[return-value]
    except OmegaConfBaseException as error:
        raise ConfigError(
            str(error).splitlines()[0] + (f" ({error.full_key})" if error.full_key else ""),
            f"the fields and types of {node.get('_target_', kind)}",
            "correct the setting; --cfg job prints them all",
        ) from error


def mapping(name: str, node: Any) -> dict[str, str]:
    """Return a setting's names by key, empty where it is null; ConfigError for anything but a mapping to names."""
    if node is None:
        return {}
    if not isinstance(node, Mapping) or not all(isinstance(value, str | int) for value in node.values()):
        raise ConfigError(f"{name}={node}", f"'{name}={{key: value, ...}}'", f"correct {name}=")
    return {str(key): str(value) for key, value in node.items()}


def target_class(node: Mapping[Any, Any]) -> Any:
    """Return the class that a node's `_target_` names."""
    try:
        return get_class(node["_target_"])
    except (InstantiationException, ImportError, ValueError, KeyError) as error:
        raise ConfigError(
            f"_target_={node.get('_target_')!r}: {str(error).splitlines()[0]}",
            "the import path of an installed class",
            "correct it in conf/",
        ) from error


def build_member(config: TrainConfig) -> Any:
    """Return the unfitted member that the settings describe."""
    return build(config.backbone, **_parts(config))


def recipe_of(config: TrainConfig) -> dict[str, Any]:
    """Return all settings that decide the member's predictions but the seed, as JSON values.

    They are read from the member as it was built, with the types and the values that it uses: 1 and 1.0 are one
    recipe. Of the groups it has those that the member's class has fields for; never paths, tracking or threads.
    """
    built = json.loads(json.dumps(asdict(build_member(config)), default=lambda choice: choice.name))
    for path in UNDECISIVE:
        *outer, last = path.split(".")
        place = built
        for name in outer:
            place = place.get(name, {})
        place.pop(last, None)
    return {"target": config.backbone["_target_"], **built}


def with_fields(config: TrainConfig, values: Mapping[str, Any]) -> TrainConfig:
    """Return a copy of the settings with other values in some fields, by dotted name (ConfigError for no field)."""
    changed = deepcopy(config)
    for name, value in values.items():
        try:
            OmegaConf.update(changed, name, value, force_add=False)  # type: ignore[arg-type]
        except OmegaConfBaseException as error:
            wrong = f"{name}={value!r}: {str(error).splitlines()[0]}"
            raise ConfigError(wrong, "a field of the settings", "--cfg job prints them all") from error
    return changed


def _parts(config: TrainConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in RECIPE_GROUPS}
