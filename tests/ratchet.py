"""Pass counts of the conformance corpus and the acceptance checks must not fall: `python tests/ratchet.py`.

Both lie beside the project if at all (`--shared FOLDER`, `../shared` without). The counts reached so far are in
`tests/ratchet.json`; a lower one is an error, and `--update` writes the higher ones down.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
COUNTS = HERE / "ratchet.json"
TIMED = {"a17_speed"}  # depends on what else the machine does

Counts = dict[str, dict[str, int]]


def run(command: list[str], output: Path) -> dict:
    """Run a checker that writes a JSON report; its own exit status says only whether all passed."""
    start = time.monotonic()
    done = subprocess.run([sys.executable, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode not in (0, 1) or not output.exists():
        sys.exit(f"ratchet: {command[0]} failed with exit status {done.returncode}:\n{done.stdout[-4000:]}")
    print(f"{Path(command[0]).parent.name}: {time.monotonic() - start:.0f} s", flush=True)
    return json.loads(output.read_text())


def measure(shared: Path, jobs: int) -> Counts:
    """How many cases pass now, by group of the corpus and by area of the checks."""
    with tempfile.TemporaryDirectory() as folder:
        report, checks = Path(folder, "conformance.json"), Path(folder, "acceptance.json")
        corpus = run([str(shared / "conformance/run.py"), "--module", "flambeau", "--jobs", str(jobs), "--json",
                      str(report)], report)
        accepted = run([str(shared / "acceptance/run.py"), "--module", "flambeau", "--jobs", str(jobs), "--json",
                        str(checks)], checks)
    passed = Counter({check["area"]: 0 for check in accepted["results"]})
    passed.update(check["area"] for check in accepted["results"] if check["status"] == "pass")
    return {"conformance": {group: totals["cases_passing"] for group, totals in corpus["groups"].items()},
            "acceptance": {area: count for area, count in sorted(passed.items()) if area not in TIMED}}


def main() -> int:
    """Compare, print, and say how to raise the counts. Exit status 1 if any is lower than before."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shared", type=Path, default=HERE.parent.parent / "shared", help="the folder that holds both")
    parser.add_argument("--jobs", type=int, default=2, help="cases to run side by side")
    parser.add_argument("--update", action="store_true", help="write counts that are higher than before")
    options = parser.parse_args()
    before: Counts = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    now = measure(options.shared.resolve(), options.jobs)
    lower = higher = 0
    merged: Counts = {}
    for kind, groups in now.items():
        merged[kind] = {}
        for group in sorted({*groups, *before.get(kind, {})}):
            reached, old = groups.get(group, 0), before.get(kind, {}).get(group, 0)
            lower, higher = lower + (reached < old), higher + (reached > old)
            merged[kind][group] = max(reached, old)
            change = "" if reached == old else f"  {reached - old:+d}{'  LOWER' if reached < old else ''}"
            print(f"{kind}/{group}: {reached}{change}")
    if higher and options.update:
        COUNTS.write_text(json.dumps(merged, indent=1) + "\n")
        print(f"ratchet: {higher} counts raised in {COUNTS.name}")
    elif higher:
        print(f"ratchet: {higher} counts are higher than before; `python tests/ratchet.py --update` writes them down")
    if lower:
        print(f"ratchet: {lower} counts are lower than before")
    return 1 if lower else 0


if __name__ == "__main__":
    sys.exit(main())
