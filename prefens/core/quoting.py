"""Settings as one types them: quoted for Hydra's grammar, and for the shell."""

from __future__ import annotations

import re
import shlex

PLAIN = re.compile(r"(?!(?i:null|true|false|nan|inf)$)(\.?/|[a-z_])[\w./@%-]*", re.A | re.I)  # text to shell and Hydra


def typed(name: str, value: str) -> str:
    """Return the argument that sets `name` to a text, with the quotes that Hydra and the shell need."""
    return f"{name}={value}" if PLAIN.fullmatch(value) else shlex.quote(f"{name}={quoted(value)}")


def quoted(value: str) -> str:
    """Return a text in the quotes of Hydra's grammar, in which backslashes escape quotes and themselves at the end."""
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', value)
    return '"' + re.sub(r"(\\+)$", r"\1\1", escaped) + '"'
