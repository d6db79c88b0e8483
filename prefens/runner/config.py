"""The commands' settings: schemas, typed parts, and what of them is a member's recipe.

Scalars of a command are typed by the dataclasses in schemas. A part (data, backbone, text, ...) is typed by the
dataclass that it becomes: the one its `_target_` names, or the one the caller asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from hydra.core.config_store import ConfigStore
from hydra.errors import InstantiationException
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from prefens.core.errors import ConfigError
from prefens.data.raw.names import is_file_name, stem
from prefens.runner.command_line.values import described, near_first
from prefens.runner.schemas import SCHEMAS, RecipeConfig

T = TypeVar("T")

_PACKAGE = Path(__file__).resolve().parents[1]
CONF_DIR = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"  # a wheel; a checkout
RECIPE_GROUPS = ("text", "pairing", "head", "training")  # beside backbone; a member has those it names as fields

# Hydra copies what holds its store for each group that --help lists, and copies each node that it takes from the store
# once more: the only store exists may be shared.
ConfigStore.__deepcopy__ = lambda store, _: store  # type: ignore[attr-defined]

for _name, _schema in SCHEMAS.items():
    ConfigStore.instance().store(name=f"{_name}_schema", node=_schema)


def build(node: Any, kind: type[T] | None = None, **parts: Any) -> T:
    """Return the dataclass that a config node describes.

    Parameters
    ----------
    node : DictConfig
        Its fields; `_target_` is the import path of the dataclass where `kind` is None.
    kind : type or None
        The dataclass.
    parts : DictConfig
        Nodes for fields that are dataclasses themselves; those that it has no field for are left out.

    Raises
    ------
    ConfigError
        For an unknown field, a value of another type, or a target that can't be imported.
    """
    try:
        target = kind or target_class(node)
        if not is_dataclass(target) and set(node) == {"_target_"}:
            return cast(T, target())
        names = {item.name for item in fields(target)}  # type: ignore[arg-type]
        values = {name: value for name, value in node.items() if name != "_target_"}
        schema = OmegaConf.structured(target, flags={"readonly": False})
        merged = OmegaConf.merge(schema, {**values, **{name: part for name, part in parts.items() if name in names}})
        return OmegaConf.to_object(merged)  # type: ignore[return-value]
    except OmegaConfBaseException as error:
        raise _refused(node, target, error) from error


def _refused(node: Any, target: Any, error: OmegaConfBaseException) -> ConfigError:
    """Return the error about a field that the dataclass `target` has not, or has with another type."""
    name = str(error.full_key or "")
    group = node._get_full_key("") if isinstance(node, DictConfig) else ""
    hints = get_type_hints(target) if is_dataclass(target) else {}
    hints = {item.name: hints[item.name] for item in fields(target)} if hints else {}
    field = f"{group}.{name}".strip(".")
    expected = described(hints[name]) if name in hints else f"a field: {', '.join(near_first(name, hints))}"
    came = f"{field}: {str(error).splitlines()[0]}"
    return ConfigError(came, f"{field}: {expected}", "correct the setting; --cfg job prints them all")


def plain(node: Any) -> dict[str, Any]:
    """Return a mapping among the settings as plain values, empty where it is null."""
    return {} if node is None else cast(dict[str, Any], OmegaConf.to_container(node, resolve=True))


def mapping(name: str, node: Any) -> dict[str, str]:
    """Return a setting's names by key, empty where it is null; ConfigError for anything but a mapping to names."""
    if node is None:
        return {}
    if not isinstance(node, Mapping) or not all(isinstance(value, str | int) for value in node.values()):
        raise ConfigError(f"{name}={node}", f"'{name}={{key: value, ...}}'", f"correct {name}=")
    return {str(key): str(value) for key, value in node.items()}


def members_of(node: Any) -> tuple[list[str], dict[str, str]]:
    """Return the members that a setting names: those of the store, and the files of external ones by their names.

    Parameters
    ----------
    node : mapping, sequence, str or None
        {member: file}; or names and files, of which a file's member is called by its stem.

    Raises
    ------
    ConfigError
        For anything else, or where two members have one name.
    """
    if isinstance(node, Mapping):
        return [], mapping("members", node)
    items = [] if node is None else [node] if isinstance(node, str | int) else list(node)
    if not all(isinstance(item, str | int) for item in items):
        raise ConfigError(f"members={node}", "[name, file, ...] or {name: file, ...}", "correct members=")
    names = [str(item) for item in items if not is_file_name(str(item))]
    files: dict[str, str] = {}
    for path in [str(item) for item in items if is_file_name(str(item))]:
        name = stem(Path(path))
        if name in files or name in names:
            came, do = f"two members are called {name}", f"name them: 'members={{one: {path}, two: ...}}'"
            raise ConfigError(came, "a name for each", do)
        files[name] = path
    return names, files


def member_files(node: Any) -> dict[str, str]:
    """Return the files of external members by their names, as `members_of` does; ConfigError for other names."""
    names, files = members_of(node)
    if names:
        raise ConfigError(f"members={', '.join(names)}: no files", "files", "'members={name: test.csv, ...}'")
    return files


def columns_of(files: Collection[str], node: Any) -> dict[str, dict[str, str]]:
    """Return the names of columns by file: `node` is one mapping for all files, or holds one for each that needs it.

    Files go by their members' names. ConfigError for a name that is none of theirs.
    """
    if not isinstance(node, Mapping) or not any(isinstance(own, Mapping) for own in node.values()):
        return dict.fromkeys(files, mapping("columns", node))
    own_of = {str(name): own for name, own in node.items()}
    unknown = sorted(own_of.keys() - set(files))
    if unknown:
        raise ConfigError(f"columns= for {', '.join(unknown)}", f"names among {', '.join(files)}", "correct columns=")
    return {name: mapping(f"columns.{name}", own_of.get(name)) for name in files}


def target_class(node: Mapping[Any, Any]) -> Any:
    """Return the class that a node's `_target_` names; ConfigError where that is none."""
    try:
        return get_class(node["_target_"])
    except (InstantiationException, ImportError, ValueError, KeyError) as error:
        raise ConfigError(
            f"_target_={node.get('_target_')!r}: {str(error).splitlines()[0]}",
            "the import path of an installed class",
            "correct it in conf/",
        ) from error


def build_member(config: RecipeConfig) -> Any:
    """Return the unfitted member that the settings describe; it looks for its backbone in `backbones` first."""
    member: Any = build(config.backbone, **_parts(config))
    member.use_backbones(backbone_folders(config.backbones))
    return member


def backbone_folders(*folders: str | Path | None) -> list[Path]:
    """Return the folders of backbones that are not None; ConfigError for a setting that names none."""
    for folder in folders:
        if isinstance(folder, str) and not Path(folder).is_dir():
            expected = "a folder with one directory for each model, by the last part of its name"
            raise ConfigError(f"backbones={folder}: no such folder", expected, "correct backbones=DIR")
    return [Path(folder) for folder in folders if folder is not None]


def unused_overrides(config: RecipeConfig, overrides: Sequence[str]) -> list[str]:
    """Return those of the overrides that set a group which the member's class has no field for."""
    unread = set(RECIPE_GROUPS) - {item.name for item in fields(target_class(config.backbone))}
    groups = {override: override.lstrip("+~").partition("=")[0].partition(".")[0] for override in overrides}
    return [override for override, group in groups.items() if group in unread]


def with_fields(config: RecipeConfig, values: Mapping[str, Any]) -> RecipeConfig:
    """Return a copy of the settings with other values in some fields, by dotted name (ConfigError for no field)."""
    changed = deepcopy(config)
    for name, value in values.items():
        try:
            OmegaConf.update(changed, name, value, force_add=False)  # type: ignore[arg-type]
        except OmegaConfBaseException as error:
            wrong = f"{name}={value!r}: {str(error).splitlines()[0]}"
            raise ConfigError(wrong, "a field of the settings", "--cfg job prints them all") from error
    return changed


def _parts(config: RecipeConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in RECIPE_GROUPS}
