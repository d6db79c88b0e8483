"""Pretrained backbones in memory, once for all models that never train them: heads on a frozen one, and adapters."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from prefens.members.backbone_files import backbone_files
from prefens.members.nn.pretrained import load_encoder

log = logging.getLogger(__name__)

_encoders: WeakValueDictionary[tuple[Any, ...], Any] = WeakValueDictionary()  # an entry goes with its last model


def shared_encoder(directory: Path, *form: Any) -> Any:
    """Return the encoder of a model directory, in evaluation mode and without gradients.

    It is the one in memory where another model has it already. Nobody may change its weights.

    Parameters
    ----------
    directory : Path
        config.json and safetensors.
    form : hashable
        What else `load_encoder` takes.

    Raises
    ------
    BackboneError
        As `load_encoder`.
    """
    files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in backbone_files(directory)]
    key = (directory.resolve(), tuple(files), *form)
    encoder = _encoders.get(key)
    if encoder is None:
        log.info("loading %s", directory)
        encoder = _encoders[key] = load_encoder(directory, *form).eval().requires_grad_(False)
    return encoder
