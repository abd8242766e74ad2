"""torch.hub: models from a local folder with a hubconf.py, and files from the network.

Repositories on GitHub are not fetched: loading one runs its code.
"""
from __future__ import annotations

import os
import re
import sys
from urllib.parse import urlparse

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

MODULE_HUBCONF = "hubconf.py"
VAR_DEPENDENCY = "dependencies"
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")
_hub_dir: str | None = None


def get_dir() -> str:
    """Where downloads are kept: set_dir's folder, $TORCH_HOME/hub, or ~/.cache/torch/hub."""
    if _hub_dir is not None:
        return _hub_dir
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return os.path.join(os.path.expanduser(os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))), "hub")


def set_dir(d: str | os.PathLike) -> None:
    """Set the folder for downloads."""
    global _hub_dir
    _hub_dir = os.path.expanduser(d)


def _local(repo_or_dir: str, source: str) -> Any:
    """The hubconf module of a local folder."""
    source = source.lower()
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "github" and not os.path.isdir(repo_or_dir):
        raise NotImplementedError(f"torch.hub: {repo_or_dir!r} is not fetched from GitHub, for that would run its "
                                  "code; clone it and call with source='local'")
    path = os.path.join(repo_or_dir, MODULE_HUBCONF)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"torch.hub: no {MODULE_HUBCONF} in {repo_or_dir!r}")
    import importlib.util
    sys.path.insert(0, repo_or_dir)
    try:
        spec = importlib.util.spec_from_file_location("hubconf", path)
        if spec is None or spec.loader is None:
            raise ImportError(f"torch.hub: cannot read {path!r}")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(repo_or_dir)
    missing = [name for name in getattr(module, VAR_DEPENDENCY, ()) or ()
               if importlib.util.find_spec("flambeau" if name == "torch" else name) is None]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    return module


def _entry(module: Any, model: str) -> Callable:
    if not isinstance(model, str):
        raise ValueError("Invalid input: model should be a string of function name")
    function = getattr(module, model, None)
    if function is None or not callable(function):
        raise RuntimeError(f"Cannot find callable {model} in hubconf")
    return function


def list(github: str, force_reload: bool = False, skip_validation: bool = False,  # noqa: A001
         trust_repo: Any = "check", verbose: bool = True) -> Any:
    """The names of the models that a folder's hubconf.py offers."""
    module = _local(github, "github")
    return [name for name in dir(module) if callable(getattr(module, name)) and not name.startswith("_")]


def help(github: str, model: str, force_reload: bool = False, skip_validation: bool = False,  # noqa: A001
         trust_repo: Any = "check") -> Any:
    """The docstring of a model."""
    return _entry(_local(github, "github"), model).__doc__


def load(repo_or_dir: str, model: str, *args: Any, source: str = "github", trust_repo: Any = "check",
         force_reload: bool = False, verbose: bool = True, skip_validation: bool = False, **kwargs: Any) -> Any:
    """Call a model's function of the hubconf.py in a local folder (source="local")."""
    return _entry(_local(repo_or_dir, source), model)(*args, **kwargs)


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Download a file. hash_prefix: what its SHA-256 must begin with. ConnectionError where there is no network."""
    import hashlib
    import tempfile
    import urllib.error
    import urllib.request
    dst = os.path.expanduser(dst)
    os.makedirs(os.path.dirname(os.path.abspath(dst)), exist_ok=True)
    digest = hashlib.sha256()
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers={"User-Agent": "torch.hub"}))
    except (urllib.error.URLError, OSError) as error:
        raise ConnectionError(f"torch.hub: cannot reach {url} ({error}); download it elsewhere and put it at "
                              f"{dst}") from error
    length = response.headers.get("Content-Length")
    with response, tempfile.NamedTemporaryFile(dir=os.path.dirname(os.path.abspath(dst)), delete=False) as file:
        try:
            with _bar(int(length) if length else None, progress) as bar:
                while chunk := response.read(1 << 17):
                    file.write(chunk)
                    digest.update(chunk)
                    bar.update(len(chunk))
            file.close()
            if hash_prefix is not None and not digest.hexdigest().startswith(hash_prefix):
                raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}")')
            os.replace(file.name, dst)
        finally:
            if os.path.exists(file.name):
                os.unlink(file.name)


def _bar(total: int | None, progress: bool) -> Any:
    from tqdm import tqdm
    return tqdm(total=total, disable=not progress, unit="B", unit_scale=True, unit_divisor=1024)


def load_state_dict_from_url(url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True,
                             check_hash: bool = False, file_name: str | None = None, weights_only: bool = True) -> Any:
    """torch.load of a file that is downloaded once into model_dir (default: get_dir()/checkpoints).

    check_hash: the name must hold the beginning of the file's SHA-256, as in model-5c106cde.pth.
    """
    if model_dir is None:
        model_dir = os.path.join(get_dir(), "checkpoints")
    os.makedirs(model_dir, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(model_dir, name)
    if not os.path.exists(path):
        print(f'Downloading: "{url}" to {path}\n', file=sys.stderr)
        found = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, path, found.group(1) if found else None, progress=progress)
    return torch.load(path, map_location=map_location, weights_only=weights_only)
