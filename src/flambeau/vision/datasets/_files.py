"""Files of data sets: checked, downloaded, unpacked."""
from __future__ import annotations

import hashlib
import os
import shutil
from typing import Any


def md5_of(path: Any) -> str:
    """The MD5 sum of a file."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def intact(path: Any, md5: str | None = None) -> bool:
    """Whether a file exists and has this MD5 sum."""
    return os.path.isfile(path) and (md5 is None or md5_of(path) == md5)


def download(urls: list[str], folder: str, name: str, md5: str | None = None) -> str:
    """Fetch a file from the first of the addresses that answers. RuntimeError where none does."""
    import urllib.error
    import urllib.request

    path = os.path.join(folder, name)
    if intact(path, md5):
        return path
    os.makedirs(folder, exist_ok=True)
    problems = []
    for url in urls:
        temporary = path + ".part"
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "flambeau"})
            with urllib.request.urlopen(request, timeout=60) as response, open(temporary, "wb") as file:
                shutil.copyfileobj(response, file)
            if not intact(temporary, md5):
                raise OSError("the file arrived damaged (its MD5 sum is wrong)")
            os.replace(temporary, path)
            return path
        except (urllib.error.URLError, OSError) as error:
            problems.append(f"    {url}: {error}")
            if os.path.exists(temporary):
                os.unlink(temporary)
    raise RuntimeError(f"Error downloading {name}:\n" + "\n".join(problems) + f"\nWithout a network, fetch the file "
                       f"elsewhere and put it into {os.path.abspath(folder)}.")


def unpack_tar(path: str, folder: str) -> None:
    """Unpack an archive, files inside `folder` only."""
    import tarfile

    with tarfile.open(path) as archive:
        root = os.path.realpath(folder)
        for member in archive:
            target = os.path.realpath(os.path.join(folder, member.name))
            if not (target == root or target.startswith(root + os.sep)) or not (member.isfile() or member.isdir()):
                raise RuntimeError(f"{path} holds {member.name!r}, which does not belong into {folder}")
            archive.extract(member, folder)
