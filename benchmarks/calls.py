"""What calls and kernels cost, beside another module with PyTorch's API in an interpreter of its own.

    python benchmarks/calls.py                                    # flambeau alone
    python benchmarks/calls.py --peer /path/to/python:torch       # with ratios (above 1: flambeau is faster)
    python benchmarks/calls.py --only 'call/*' --threads 1

Each figure is the best of several samples of at least 10 ms, in nanoseconds a call. The two sides take turns, so that what else the
machine does falls on both.
"""
from __future__ import annotations

import argparse
import fnmatch
import importlib
import json
import math
import subprocess
import sys
import time
from typing import Any, Callable


def workloads(torch: Any) -> dict[str, Callable[[], Any]]:
    """Name -> a function that does the work once."""
    F = torch.nn.functional
    a, b = torch.ones(8, 8), torch.ones(8, 8)
    g = torch.ones(8, 8, requires_grad=True)
    rows, parts, total = a.tolist(), [a, b, a, b], a.sum()
    array, layer = a.numpy(), torch.nn.Linear(8, 8)
    big, other = torch.rand(1 << 22), torch.rand(1 << 22)
    square, image = torch.rand(512, 512), torch.rand(16, 32, 28, 28)
    weight = torch.rand(64, 32, 3, 3)

    def backward() -> Any:
        g.grad = None
        (g * b).sum().backward()
        return g.grad

    return {
        "call/add": lambda: a + b, "call/add_grad": lambda: g + b, "call/add_number": lambda: a + 1.5, "call/mm": lambda: torch.mm(a, b),
        "call/mm_grad": lambda: torch.mm(g, b), "call/view": lambda: a.view(64), "call/getitem": lambda: a[3], "call/slice": lambda: a[1:5, 2:6],
        "call/sum": lambda: a.sum(), "call/relu": lambda: F.relu(a), "call/zeros": lambda: torch.zeros(8, 8), "call/item": total.item,
        "call/mul_sum_backward": backward, "call/cat": lambda: torch.cat(parts), "call/tensor_from_list": lambda: torch.tensor(rows),
        "call/numpy": a.numpy, "call/from_numpy": lambda: torch.from_numpy(array), "call/linear": lambda: layer(a),
        "kernel/add": lambda: big + other, "kernel/exp": lambda: torch.exp(big), "kernel/tanh": lambda: torch.tanh(big), "kernel/sum": big.sum,
        "kernel/softmax": lambda: torch.softmax(big.view(-1, 1024), 1), "kernel/mm": lambda: square @ square,
        "kernel/conv2d": lambda: F.conv2d(image, weight), "kernel/max_pool2d": lambda: F.max_pool2d(image, 2), "kernel/sort": lambda: torch.sort(big[:1 << 18]),
    }


def best(work: Callable[[], Any]) -> float:
    """Nanoseconds a call: the best of five samples."""
    work()
    count = 1
    while True:
        start = time.perf_counter()
        for _ in range(count):
            work()
        spent = time.perf_counter() - start
        if spent > 0.01:
            break
        count = max(count * 2, int(count * 0.012 / max(spent, 1e-9)))
    samples = [spent]
    for _ in range(4):
        start = time.perf_counter()
        for _ in range(count):
            work()
        samples.append(time.perf_counter() - start)
    return min(samples) / count * 1e9


def measure(module: str, only: str, threads: int) -> dict[str, float]:
    """Every chosen workload of a module in this process."""
    torch = importlib.import_module(module)
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    return {name: best(work) for name, work in workloads(torch).items() if fnmatch.fnmatch(name, only)}


def run(side: str, only: str, threads: int) -> dict[str, float]:
    """The same in a process of its own: side is PYTHON:MODULE."""
    python, _, module = side.rpartition(":")
    command = [python or sys.executable, __file__, "--child", module, "--only", only, "--threads", str(threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="PYTHON:MODULE to compare with")
    parser.add_argument("--only", default="*", help="a pattern of workload names")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child, options.only, options.threads)))
        return
    sides = [f"{sys.executable}:flambeau"] + ([options.peer] if options.peer else [])
    results: list[dict[str, float]] = [{} for _ in sides]
    for _ in range(options.rounds):
        for side, result in zip(sides, results):
            for name, ns in run(side, options.only, options.threads).items():
                result[name] = min(ns, result.get(name, math.inf))
    print(f"{'workload':24}{'flambeau':>14}" + (f"{'peer':>14}{'ratio':>8}" if options.peer else ""))
    for name, ns in results[0].items():
        line = f"{name:24}{ns:11.0f} ns"
        if options.peer:
            line += f"{results[1][name]:11.0f} ns{results[1][name] / ns:8.2f}"
        print(line)
    if options.peer:
        logs = [math.log(results[1][name] / ns) for name, ns in results[0].items()]
        print(f"geometric mean of the ratios: {math.exp(sum(logs) / len(logs)):.2f}")


if __name__ == "__main__":
    main()
