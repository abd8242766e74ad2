"""No kernel compiled for one instruction set may serve another: `python tests/isa_symbols.py build`.

A function that is inline and outside its level's namespace comes out of several objects under one name, and the linker keeps any of
them: perhaps the AVX-512 one, for every processor. This lists such names in the objects of the kernels; there must be none.
"""
from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HARMLESS = ("DW.ref.__gxx_personality_v0", "typeinfo", "vtable")  # data that is the same at every level


def shared_names(objects: list[Path], level: str) -> set[str]:
    """Names that these objects define for all to share, outside the namespace of their level."""
    listing = subprocess.run(["nm", "-C", "--defined-only", *map(str, objects)], capture_output=True, text=True, check=True)
    symbols = re.findall(r"^[0-9a-f]+ [WVu] (.+)$", listing.stdout, re.M)
    return {name for name in symbols if f"fl::cpu::{level}::" not in name and not name.startswith(HARMLESS)}


def main() -> int:
    """Exit status 1 if any is found."""
    found = 0
    for folder in sorted(Path(sys.argv[1], "CMakeFiles").glob("kernels_*.dir")):
        level = folder.stem.removeprefix("kernels_")
        for name in sorted(shared_names(sorted(folder.rglob("*.o")), level)):
            print(f"{level}: {name}")
            found += 1
    print(f"isa_symbols: {found} shared names")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
