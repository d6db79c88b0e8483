"""Public names of a package that import their module when they are first used (PEP 562)."""

from __future__ import annotations

import ast
import sys
from functools import cache
from importlib import import_module
from pathlib import Path


def lazy_attribute(package: str, name: str) -> object:
    """Return a public name of a package, imported from the module that its `if TYPE_CHECKING:` block names.

    Parameters
    ----------
    package : str
        The full name of the package, whose `__getattr__` calls this.
    name : str
        The attribute that was asked for.

    Raises
    ------
    AttributeError
        The package has no such public name.
    """
    module = _modules(package).get(name)
    if module is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    value: object = getattr(import_module(module), name)
    setattr(sys.modules[package], name, value)  # found without this function from now on
    return value


@cache
def _modules(package: str) -> dict[str, str]:
    """Return the module that each public name of a package is imported from for type checkers."""
    # Not inspect.getsource: it asks the package for attributes, and so would call this again.
    statements = ast.walk(ast.parse(Path(str(sys.modules[package].__file__)).read_text("utf-8")))
    imports = [node for node in statements if isinstance(node, ast.ImportFrom) and node.module]
    public = sys.modules[package].__all__
    return {alias.name: str(node.module) for node in imports for alias in node.names if alias.name in public}
