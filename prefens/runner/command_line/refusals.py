"""What Hydra and OmegaConf refuse, as errors that say what came, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, get_type_hints

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException, ValidationError

from prefens.core.errors import ConfigError, not_installed
from prefens.runner.command_line.values import described, near_first
from prefens.runner.config import CONF_DIR
from prefens.runner.help import leaves
from prefens.runner.schemas import SCHEMAS

LAUNCHERS = {  # those of other packages, with the package and the extra
    "joblib": ("hydra-joblib-launcher", "joblib"),
    "ray": ("hydra-ray-launcher", "ray"),
    "submitit_local": ("hydra-submitit-launcher", "slurm"),
    "submitit_slurm": ("hydra-submitit-launcher", "slurm"),
}
LAUNCHER = "hydra/launcher"


def refusal(command: str, arguments: Sequence[str], error: Exception) -> ConfigError | None:
    """Return the error about settings that don't compose; None for an error of another kind.

    Parameters
    ----------
    command : str
        The name of the command.
    arguments : sequence of str
        What followed it on the command line.
    error : Exception
        What Hydra raised.
    """
    cause = error.__cause__
    if isinstance(error, MissingConfigException):
        return _missing(command, error)
    if isinstance(cause, ConfigKeyError | AttributeError) and isinstance(cause, OmegaConfBaseException):
        return _unknown(command, arguments, str(cause.full_key))
    if isinstance(cause, ValidationError):
        name = str(cause.full_key)
        hint = get_type_hints(SCHEMAS[command]).get(name) if command in SCHEMAS else None
        came = f"{_argument(arguments, name)}: {str(cause).splitlines()[0]}"
        return ConfigError(came, f"{name}: {described(hint)}", _see_help(command))
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    if first.startswith("Ambiguous value for argument"):
        sweep = "add -m, which runs a job for each value; " if command == "train" else ""
        do = f"{sweep}a list is written in brackets, 'name=[a,b]', and a text with a comma in quotes, 'name=\"a,b\"'"
        return ConfigError(first.partition("argument ")[2].strip("'"), "one value", do)
    if isinstance(error, HydraException):
        return ConfigError(first, "groups and settings that compose", _see_help(command))
    return None


def _missing(command: str, error: MissingConfigException) -> ConfigError:
    """Return the error about an option that a group lacks, or a launcher whose package is not installed."""
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    if group == LAUNCHER and option in LAUNCHERS:
        package, extra = LAUNCHERS[option]
        return not_installed(package, f"{LAUNCHER}=", extra)
    options = ", ".join(near_first(option, error.options or ()))
    return ConfigError(f"{group}={option}", f"an option of {group}: {options or 'there is none'}", _see_help(command))


def _unknown(command: str, arguments: Sequence[str], name: str) -> ConfigError:
    """Return the error about a setting that there is not."""
    parent, _, leaf = name.rpartition(".")
    if parent.split(".")[0] == "hydra":
        return ConfigError(_argument(arguments, name), "a setting of Hydra", "python -m prefens.train --hydra-help")
    settings = _settings(command, arguments)
    node = OmegaConf.select(OmegaConf.create(settings), parent) if parent else settings
    own = [str(key) for key in node if key != "_target_"] if OmegaConf.is_dict(node) or isinstance(node, dict) else []
    if parent and own:
        names, of = near_first(leaf, own), parent
    else:
        every = [setting for setting, _ in leaves(settings)]
        same = [setting for setting in every if setting.rpartition(".")[2] == leaf]
        near = get_close_matches(name, [*settings, *every], n=3)
        names, of = list(dict.fromkeys([*same, *near, *settings])), command
    return ConfigError(_argument(arguments, name), f"a setting of {of}: {', '.join(names)}", _see_help(command))


def _settings(command: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Return the settings of a command with the options of groups that were chosen."""
    chosen = [each for each in arguments if (CONF_DIR / each.partition("=")[0]).is_dir() and "," not in each]
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        try:
            settings = compose(command, overrides=[each for each in chosen if "=" in each])
        except HydraException:
            settings = compose(command)
    return OmegaConf.to_container(settings, resolve=False)  # type: ignore[return-value]


def _argument(arguments: Sequence[str], name: str) -> str:
    """Return what was typed for a setting, the last of several."""
    typed = [each for each in arguments if f"{each.lstrip('+~').partition('=')[0]}.".startswith(f"{name}.")]
    return typed[-1] if typed else name


def _see_help(command: str) -> str:
    return f"correct it; python -m prefens.{command} --help shows all settings"
