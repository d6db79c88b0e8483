"""Passwords in addresses: taken out before anything is written or printed, and kept in MLflow's variables."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

MASK = "***"
NAME, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"  # MLflow logs in to a server with them
LOGIN = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*)://(?P<name>[^\s/:@'\"]*):(?P<password>[^\s'\"]*)@")
PARAMETER = re.compile(r"(?P<name>[?&;](?:\w*password|passwd|pwd|token)=)[^\s&;'\"]*", re.IGNORECASE)


def mask(text: str) -> str:
    """Return a text with *** in place of names and passwords in addresses, scheme://name:password@host."""
    return PARAMETER.sub(rf"\g<name>{MASK}", LOGIN.sub(rf"\g<scheme>://{MASK}@", text))


def keep_login(text: str) -> str:
    """Return `mask(text)`; the name and the password of an HTTP server go into MLflow's environment variables.

    Other processes that are started later inherit them, so that the address with *** is enough.
    """
    login = LOGIN.search(text)
    if login is not None and login["scheme"] in ("http", "https"):
        os.environ[NAME], os.environ[PASSWORD] = unquote(login["name"]), unquote(login["password"])
    return mask(text)


def without_login(address: str) -> str:
    """Return an address without the *** of `mask`."""
    return address.replace(f"{MASK}@", "")
