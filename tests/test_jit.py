"""torch.jit: what scripting refuses, scripted functions and modules, saving; torch.compile."""
import io

import flambeau as torch
import pytest
from flambeau.jit.frontend import NotSupportedError, UnsupportedNodeError


def generator(x):
    yield x


def with_try(x):
    try:
        return x
    except ValueError:
        return x


def with_lambda(x):
    return (lambda a: a)(x)


def variadic(*x):
    return x[0]


def power(x, n: int):
    out = x
    for _ in range(n - 1):
        out = out * x
    return out


@pytest.mark.parametrize("function, text", [(generator, "Yield aren't supported"),
                                            (with_try, "try blocks aren't supported"),
                                            (with_lambda, "Lambda aren't supported")])
def test_refused(function, text):
    with pytest.raises(UnsupportedNodeError, match=text):
        torch.jit.script(function)


def test_refused_signatures_and_values():
    with pytest.raises(NotSupportedError, match="variable number of arguments"):
        torch.jit.script(variadic)
    with pytest.raises(TypeError):
        torch.jit.script(3)


def test_script_function():
    f = torch.jit.script(power)
    assert f(torch.tensor(2.0), 3).item() == 8.0 and f.name == "power" and "out * x" in f.code
    with pytest.raises(RuntimeError, match="Expected a value of type 'int' for argument 'n'"):
        f(torch.tensor(2.0), 1.5)
    assert torch.jit.script(f) is f


def test_script_module_shares_parameters():
    m = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    s = torch.jit.script(m)
    assert repr(s) == ("RecursiveScriptModule(\n  original_name=Sequential\n"
                       "  (0): RecursiveScriptModule(original_name=Linear)\n"
                       "  (1): RecursiveScriptModule(original_name=ReLU)\n)")
    x = torch.ones(1, 2)
    assert torch.equal(s(x), m(x)) and s[0].weight is m[0].weight
    assert list(s.state_dict()) == ["0.weight", "0.bias"]
    file = io.BytesIO()
    torch.jit.save(s, file)
    file.seek(0)
    assert torch.equal(torch.jit.load(file)(x), m(x))


def test_script_method_and_trace():
    class Double(torch.jit.ScriptModule):
        @torch.jit.script_method
        def forward(self, x):
            return x * 2

    assert Double()(torch.ones(1)).item() == 2.0
    traced = torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2))
    assert repr(traced) == "Linear(original_name=Linear)"
    assert torch.jit.trace(torch.sin, torch.zeros(1))(torch.zeros(1)).item() == 0.0
    assert not torch.jit.is_scripting() and not torch.jit.is_tracing()


def test_compile():
    assert torch.compile(lambda x: x + 1)(torch.ones(1)).item() == 2.0
    m = torch.nn.Linear(2, 2)
    c = torch.compile(m)
    assert torch.equal(c(torch.ones(1, 2)), m(torch.ones(1, 2))) and c.weight is m.weight
    assert list(c.state_dict()) == ["_orig_mod.weight", "_orig_mod.bias"]
    with pytest.raises(RuntimeError, match="Either mode or options"):
        torch.compile(m, mode="default", options={})
