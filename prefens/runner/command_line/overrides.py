"""Settings on the command line, before Hydra reads them: home folders, and what its grammar refuses."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from prefens.core.errors import ConfigError

HOME = re.compile(r"""(^[^=]*=|[\[{,:]\s*)(["']?)~(?=[/,\]}"']|$)""")  # where a path can begin


def prepare(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command with ~ expanded wherever a path begins, quoted or not.

    Raises
    ------
    ConfigError
        For a setting that Hydra's grammar refuses; it shows the quotes that work.
    """
    home, prepared = str(Path.home()), []
    for argument in arguments:
        if argument.startswith("-") or "=" not in argument:
            prepared.append(argument)
            continue
        prepared.append(HOME.sub(lambda match: f"{match[1]}{match[2]}{home}", argument))
        reason = _refusal(prepared[-1])
        if reason:
            raise ConfigError(f"{argument}: {reason}", "a value in Hydra's grammar", _advice(prepared[-1]))
    return prepared


def _refusal(argument: str) -> str | None:
    """Return why Hydra's grammar refuses an argument, or None."""
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException as error:
        return str(error).splitlines()[0]
    return None


def _advice(argument: str) -> str:
    name, _, value = argument.partition("=")
    if value[:1] + value[-1:] not in ("[]", "{}") and value[:1] in ("[", "{"):
        return f"the shell has cut it at a space: quote the whole for it, '{name}={value} ...'"
    candidate = f"{name}={_with_quotes(value)}"
    if _refusal(candidate):
        return f"quote each path, for Hydra and for the shell: '{name}=\"a path\"'"
    return f"quote it for Hydra and for the shell: {shlex.quote(candidate)}"


def _with_quotes(value: str) -> str:
    """Return a value with quotes around each text in it that needs them."""
    value = value.strip()
    if value.startswith("[") and value.endswith("]"):
        return "[" + ",".join(map(_with_quotes, value[1:-1].split(","))) + "]"
    if value.startswith("{") and value.endswith("}"):
        items = [item.partition(":") for item in value[1:-1].split(",")]
        return "{" + ", ".join(f"{name.strip()}: {_with_quotes(item)}" for name, _, item in items) + "}"
    return quoted(value) if _refusal(f"x={value}") else value


def quoted(value: str) -> str:
    """Return a text in the quotes of Hydra's grammar, in which backslashes escape quotes and themselves at the end."""
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', value)
    return '"' + re.sub(r"(\\+)$", r"\1\1", escaped) + '"'
