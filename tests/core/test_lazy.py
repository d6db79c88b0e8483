"""Packages list their public names, resolve them on first use, and import no heavy library before."""

import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import pytest

import prefens

PACKAGES = sorted(f"prefens.{module.name}" for module in iter_modules(prefens.__path__) if module.ispkg)
HEAVY = {"torch", "transformers", "mlflow", "hydra", "omegaconf", "pandas", "sklearn", "scipy", "matplotlib", "pyarrow"}


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_resolves(name: str) -> None:
    package = import_module(name)
    assert package.__all__ == sorted(package.__all__)
    for public in package.__all__:
        assert getattr(package, public).__module__.startswith(f"{name}."), public


@pytest.mark.parametrize("name", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        import_module(name).no_such_name  # noqa: B018


def test_packages_import_no_heavy_library() -> None:
    code = f"import sys\nfor name in {PACKAGES}: __import__(name)\nprint({HEAVY} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
