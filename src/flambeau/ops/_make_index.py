"""`python -m flambeau.ops._make_index` writes _index.py: which file of this folder has which operators."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from textwrap import wrap

FOLDER = Path(__file__).parent
HEAD = '''"""Where composite operators are: INDEX[place][file] lists the names that a file gives a place.

Written by `python -m flambeau.ops._make_index`."""

INDEX: dict[str, dict[str, str]] = {
'''


def collect() -> dict[str, dict[str, list[str]]]:
    """{place: {file: names}} of this folder; ValueError if two operators claim a name."""
    from .._operator import REGISTRY, placements

    for path in sorted(FOLDER.glob("[a-z]*.py")):
        import_module(f"{__package__}.{path.stem}")
    index: dict[str, dict[str, list[str]]] = {}
    claimed: dict[tuple[str, str], str] = {}
    for operator in REGISTRY.values():
        folder, _, file = (operator.__module__ or "").rpartition(".")
        if folder != __package__:
            continue  # defined elsewhere
        for place, name, _ in placements(operator):
            other = claimed.setdefault((place, name), repr(operator))
            if other != repr(operator):
                raise ValueError(f"{place}.{name} is claimed by {other} and {operator!r}")
            index.setdefault(place, {}).setdefault(file, []).append(name)
    return index


def text() -> str:
    """What _index.py should hold."""
    lines = [HEAD]
    for place, files in sorted(collect().items()):
        lines.append(f'    "{place}": {{\n')
        for file, names in sorted(files.items()):
            parts = wrap(" ".join(sorted(names)), 104, break_long_words=False, break_on_hyphens=False)
            joined = ' "\n            "'.join(parts)
            lines.append(f'        "{file}":\n            "{joined}",\n')
        lines.append("    },\n")
    return "".join(lines) + "}\n"


if __name__ == "__main__":
    (FOLDER / "_index.py").write_text(text())
