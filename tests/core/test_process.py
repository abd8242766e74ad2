"""The framework inside a process: Ctrl-C, fork, threads, exit, and what importing it loads."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import flambeau as torch


def start(code: str, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-W", "ignore::DeprecationWarning", "-c", code], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, **options)


def output(code: str, status: int = 0) -> str:
    """What a fresh interpreter prints for a program; it must end with this status."""
    process = start(code)
    try:
        text = process.communicate(timeout=100)[0]
    finally:
        process.kill()
    assert process.returncode == status, text
    return text


ENDLESS = {
    "products": "while True: a @ a",
    "small calls": "b = torch.zeros(3)\nwhile True: b + b",
    "backward": "x = torch.randn(300, 300, requires_grad=True)\nwhile True: (x @ x).tanh().sum().backward()",
    "one long backward": "x = torch.zeros(3, requires_grad=True)\ny = x\n"
                         "class Slow(torch.autograd.Function):\n"
                         "    forward = staticmethod(lambda ctx, x: x + 0)\n"
                         "    backward = staticmethod(lambda ctx, g: (time.sleep(0.01), g)[1])\n"
                         "for _ in range(8000): y = Slow.apply(y)\n"
                         "print('go', flush=True)\ny.sum().backward()",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_ctrl_c_stops(name):
    process = start("import time\nimport flambeau as torch\na = torch.randn(200, 200)\n"
                    f"print('ready', flush=True)\n{ENDLESS[name]}")
    try:
        assert process.stdout.readline().strip() == "ready"
        if name == "one long backward":
            assert process.stdout.readline().strip() == "go"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        text = process.communicate(timeout=30)[0]
    finally:
        process.kill()
    assert process.returncode == -signal.SIGINT, text
    assert "KeyboardInterrupt" in text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_after_work_with_threads():
    text = output("""
import os, sys
import flambeau as torch
torch.set_num_threads(4)
a = torch.randn(512, 512)
want = a @ a
for round in range(3):
    child = os.fork()
    if child == 0:
        same = torch.equal(a @ a, want) and torch.equal((a * 2).sum(), (want * 0 + a * 2).sum())
        x = a.clone().requires_grad_()
        (x @ x).sum().backward()
        os._exit(0 if same and x.grad is not None else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
assert torch.equal(a @ a, want)
print("done")
""")
    assert text.strip() == "done"


def test_threads_of_the_program():
    """Many threads compute at once, each right."""
    a = torch.arange(250000.).reshape(500, 500) / 250000
    want = (a @ a).exp().sum(0)
    wrong = []

    def work():
        for _ in range(5):
            x = a.clone().requires_grad_()
            y = (x @ x).exp().sum(0)
            y.sum().backward()
            if not torch.equal(y.detach(), want) or x.grad is None:
                wrong.append(y)
    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_number_of_threads_changes_no_result():
    text = output("""
import flambeau as torch
torch.manual_seed(0)
a, b = torch.randn(300, 700), torch.randn(700, 200)
image, kernel = torch.randn(4, 8, 33, 33), torch.randn(16, 8, 3, 3)
results = []
for n in (1, 2, 3, 5):
    torch.set_num_threads(n)
    assert torch.get_num_threads() == n
    torch.manual_seed(1)
    results.append([a @ b, a.sum(), a.std(0), torch.softmax(a, 1), a.exp().mean(1), torch.randn(70000),
                    torch.nn.functional.conv2d(image, kernel), a.sort(1)[0], a.cumsum(1)])
print(all(torch.equal(x, y) for other in results[1:] for x, y in zip(results[0], other)))
""")
    assert text.strip() == "True"


def test_import_loads_nothing_heavy():
    text = output("import sys\nbefore = set(sys.modules)\nimport flambeau\n"
                  "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before}))")
    heavy = {"numpy", "tqdm", "PIL", "multiprocessing", "inspect", "dataclasses", "ctypes", "asyncio", "scipy_openblas32"}
    assert not heavy & set(eval(text)), text


def test_exit_with_everything_alive():
    assert output("""
import flambeau as torch, atexit, threading
x = torch.randn(3, requires_grad=True)
kept = [(x * 2).exp(), torch.nn.Linear(2, 2)]
kept[0].register_hook(lambda g: kept)
atexit.register(lambda: print((x + 1).shape))
threading.Thread(target=lambda: (x @ x).backward()).start()
""").strip() == "torch.Size([3])"


def test_two_interpreters_are_two_processes():
    """A sub-interpreter is refused or works, but never crashes."""
    text = output("""
try:
    import _xxsubinterpreters as sub
except ImportError:
    try:
        import _interpreters as sub
    except ImportError:
        print("none"); raise SystemExit
import flambeau
id = sub.create()
try:
    sub.run_string(id, "import flambeau")
except BaseException as error:
    print(type(error).__name__)
print("alive")
""")
    assert text.split()[-1] in ("alive", "none")
