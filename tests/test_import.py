"""What `import flambeau` loads, and the index by which composite operators are found when they are first named."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

import flambeau as torch
from flambeau import ops
from flambeau.ops import _make_index
from flambeau.ops._index import INDEX

# All that `import flambeau` may load of the package, and of Python's library where the interpreter has not done so.
OWN = {"flambeau", "flambeau._C", "flambeau._C._nn", "flambeau._pickling", "flambeau._dtype_info", "flambeau._settings", "flambeau._tensor", "flambeau.ops",
       "flambeau.ops._index", "flambeau.version"}
LIBRARY = {"__future__", "copyreg", "math"}
HEAVY = {"numpy", "typing", "re", "enum", "dataclasses", "inspect"}


def fresh(code: str) -> str:
    """What the code prints in an interpreter of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(code: str) -> set[str]:
    """The modules that the code adds to those of a bare interpreter."""
    return set(fresh(f"import sys\nbefore = set(sys.modules)\n{code}\n"
                     "print(*sorted(set(sys.modules) - before))").split())


def test_import_loads_little():
    loaded = loaded_by("import flambeau")
    assert {name for name in loaded if name.startswith("flambeau")} == OWN
    assert {name for name in loaded if not name.startswith("flambeau")} <= LIBRARY


@pytest.mark.parametrize("code", [
    "import flambeau.nn",
    "import flambeau as torch; torch.nn.Linear(2, 3)(torch.ones(1, 2)).sum().backward()",
    "import flambeau as torch; torch.kron(torch.ones(2, 2), torch.ones(2, 2).fliplr())",
], ids=["nn", "Linear", "operators"])
def test_first_steps_load_nothing_heavy(code):
    assert not HEAVY & loaded_by(code)


def test_index_is_up_to_date():
    text = (_make_index.FOLDER / "_index.py").read_text()
    assert text == _make_index.text(), "run python -m flambeau.ops._make_index"


def place_of(key: str):
    if key in ("torch", "Tensor"):
        return torch if key == "torch" else torch.Tensor
    place = torch._C if key == "_nn" else torch
    for part in key.split("."):
        place = getattr(place, part)
    return place


@pytest.mark.parametrize("key", sorted(INDEX))
def test_every_name_resolves(key):
    place = place_of(key)
    for name in ops.names(key):
        assert callable(getattr(place, name)), name
        assert name in vars(place) and not isinstance(vars(place)[name], ops.LazyMethod)
        assert name in dir(place)


@pytest.mark.parametrize("place", [torch, torch.Tensor], ids=["torch", "Tensor"])
def test_aliases_are_the_native_operators(place):
    for alias, name in ops.ALIASES.items():
        assert hasattr(place, alias) == hasattr(place, name), alias
        assert getattr(place, alias, None) == getattr(place, name, None)


def test_methods_in_a_fresh_interpreter():
    assert fresh("""
import flambeau as torch
class Sub(torch.Tensor):
    def fliplr(self): return super().fliplr() + 1
x = torch.arange(6.).view(2, 3)
print(x.rot90().tolist(), torch.Tensor.fliplr(x)[0, 0].item(), x.as_subclass(Sub).fliplr()[0, 0].item())
print(hasattr(x, "ravel"), hasattr(torch.Tensor, "no_such_method"), "kron" in dir(x), "kron" in dir(torch))
print(x.trace.__name__, torch.Tensor.diagflat.__qualname__)
""").splitlines() == ["[[2.0, 5.0], [1.0, 4.0], [0.0, 3.0]] 2.0 3.0", "True False True True", "trace Tensor.diagflat"]


def test_replacements_and_natives_stay():
    assert fresh("""
import flambeau as torch
torch.Tensor.fliplr = lambda self: "mine"
torch.flipud = "mine too"
x = torch.ones(2, 2)
x.rot90(), torch.rot90(x)
print(x.fliplr(), torch.flipud, torch.add is torch._C._functions["add"])
""").split("\n")[0] == "mine mine too True"


def test_star_import_takes_operators():
    assert fresh("from flambeau import *\nprint(einsum('ii', eye(2)).item(), no_grad.__name__)") == "2.0 no_grad\n"


@pytest.mark.parametrize("path", ["einsum", "kron", "swapdims", "linalg.det", "fft.fft", "special.multigammaln",
                                  "Tensor.rot90", "Tensor.moveaxis"])
def test_operators_are_pickled_by_name(path):
    function = torch
    for part in path.split("."):
        function = getattr(function, part)
    assert pickle.loads(pickle.dumps(function)) is function


def test_two_files_with_one_name_are_an_error():
    from flambeau._operator import plain

    def kron(x):
        return x
    with pytest.raises(ValueError, match="two files"):
        plain("kron")(kron)


def test_autograd_function_is_found():
    assert fresh("""
import flambeau as torch
class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x * 2
    @staticmethod
    def backward(ctx, grad): return grad * 2
x = torch.ones(2, requires_grad=True)
Double.apply(x).sum().backward()
print(x.grad.tolist(), torch.autograd.function.Function is torch.autograd.Function)
""") == "[2.0, 2.0] True\n"
