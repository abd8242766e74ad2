"""Subclasses of Tensor and the __torch_function__ protocol: what is handed over, under which names, and what comes back."""
import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn


class Plain(torch.Tensor):
    pass


class Logged(torch.Tensor):
    log: list = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.log.append(getattr(func, "__name__", str(func)))
        return super().__torch_function__(func, types, args, kwargs or {})


class Duck:
    """No tensor, yet operators accept it."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func.__name__, types, args, kwargs


def plain(*shape):
    return torch.ones(*shape).as_subclass(Plain)


def test_results_have_the_subclass():
    s = plain(2)
    results = [s + 1, 1 + s, s * s, -s, s.sum(), s[0], s.view(1, 2), torch.add(s, 1), torch.ones(2) + s, s.detach(), s.clone(), s.T, s.data,
               s.to(torch.float64), s.float(), abs(s), s == 1, 1 - s, 1 / s, 2 ** s, s // 1, s @ s, s.add_(1), s.requires_grad_(),
               torch.stack([s, s]), torch.cat([torch.ones(1), s]), torch.zeros_like(s), s.new_zeros(1), *s.split(1), *s, s.max(0).values]
    assert {type(r) for r in results} == {Plain}
    assert isinstance(s.split(1), tuple) and type(s.shape) is torch.Size and type(s.tolist()) is list


def test_gradients_keep_their_own_type():
    s = plain(2).requires_grad_()
    (s * 2).sum().backward()
    assert type(s.grad) is torch.Tensor and s.grad.tolist() == [2.0, 2.0]


def test_construction():
    assert type(Plain([1, 2])) is Plain and Plain(2, 3).shape == (2, 3) and repr(Plain([1, 2])) == "Plain([1., 2.])"
    made = torch.Tensor._make_subclass(Plain, torch.ones(2), True)
    assert made.requires_grad and made.is_leaf and type(made) is Plain
    shared = torch.ones(2, requires_grad=True)
    assert shared.as_subclass(Plain).grad_fn is not None  # a view with history, unlike _make_subclass
    with pytest.raises(TypeError, match="does not inherit from Tensor"):
        torch.ones(1).as_subclass(int)
    with pytest.raises(TypeError, match=r"cls must be a type \(got int\)"):
        torch.ones(1).as_subclass(3)


def test_names_that_operators_hand_over():
    s = torch.ones(2, 2).as_subclass(Logged)
    Logged.log.clear()
    s + 1, 1 + s, s - 1, 1 - s, s * 2, s / 2, 2 / s, s // 2, 2 // s, s % 2, s ** 2, 2 ** s, s @ s, -s, abs(s), s == 1, s < 1, s >= 1
    s += 1
    assert Logged.log == ["add", "add", "sub", "__rsub__", "mul", "div", "__rdiv__", "__floordiv__", "__rfloordiv__", "remainder", "pow", "__rpow__",
                          "matmul", "neg", "abs", "__eq__", "lt", "ge", "add_"]


def test_names_that_methods_and_attributes_hand_over():
    s = torch.ones(1).as_subclass(Logged)
    Logged.log.clear()
    s.shape, s.dtype, s.T, s.requires_grad, s.size(), s.dim(), s.numel(), s.item(), float(s), int(s), bool(s), len(s), s.tolist(), s.numpy()
    s.to(torch.float64), s.float(), s.cpu(), s.is_contiguous(), s[0], s.detach(), s.data_ptr(), torch.numel(s), torch.is_floating_point(s)
    assert Logged.log == ["__get__"] * 4 + ["size", "dim", "numel", "item", "__float__", "__int__", "__bool__", "__len__", "tolist", "numpy", "to",
                                            "float", "cpu", "is_contiguous", "__getitem__", "detach", "data_ptr", "numel", "is_floating_point"]


def test_functions_hand_over_once():
    s = torch.rand(1, 2, 4, 4).as_subclass(Logged)
    Logged.log.clear()
    F.relu(s), F.softmax(s, 1), F.pad(s, (1, 1)), F.layer_norm(s, (4,)), F.mse_loss(s, s), nn.Linear(4, 2)(s), torch.einsum("abcd->ab", s)
    torch.where(s > 0, s, s), torch.broadcast_tensors(s, s), torch.split(s, 1), torch.norm(s)
    assert Logged.log == ["relu", "softmax", "pad", "layer_norm", "mse_loss", "linear", "einsum", "gt", "where", "broadcast_tensors", "split", "norm"]


def test_arguments_of_the_protocol():
    d, x = Duck(), torch.ones(1)
    assert torch.add(d, 1) == ("add", (Duck,), (d, 1), None)  # no keywords: none are handed over
    assert torch.add(d, d, alpha=2) == ("add", (Duck,), (d, d), {"alpha": 2})
    name, types, args, _ = torch.cat([x, d])
    assert name == "cat" and types == (Duck,) and args[0][1] is d  # plain tensors are not among the types
    assert (x + d)[:2] == ("add", (Duck,)) and (d + x)[0] == "add"
    assert (x * d)[0] == "mul" and (x @ d)[0] == "matmul" and x.add(d)[0] == "add" and torch.stack([d, d])[0] == "stack"


def test_functions_are_compared_by_identity():
    class Handled(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            for known, answer in ((torch.add, "torch.add"), (torch.Tensor.add, "Tensor.add"), (F.relu, "relu"),
                                  (torch.Tensor.shape.__get__, "shape"), (torch.Tensor.size, "size")):
                if func == known:
                    return answer
            return super().__torch_function__(func, types, args, kwargs or {})

    s = torch.ones(1).as_subclass(Handled)
    assert (torch.add(s, 1), s.add(1), s + 1, F.relu(s), s.shape, s.size()) == ("torch.add", "Tensor.add", "Tensor.add", "relu", "shape", "size")


def test_the_most_specific_class_is_asked_first():
    class Child(Plain):
        pass

    a, b = plain(1), torch.ones(1).as_subclass(Child)
    assert type(a + b) is Child and type(b + a) is Child


def test_declined():
    class Other(torch.Tensor):
        pass

    class No:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return NotImplemented

    with pytest.raises(TypeError, match=r"unsupported operand type\(s\) for \+: 'Plain' and 'Other'"):
        plain(1) + torch.ones(1).as_subclass(Other)
    with pytest.raises(TypeError, match="Multiple dispatch failed for 'torch.add'"):
        torch.add(No(), 1)
    with pytest.raises(TypeError, match=r"unsupported operand type\(s\) for \+: 'Tensor' and 'No'"):
        torch.ones(1) + No()


def test_reflected_operators_of_other_classes():
    class Right:
        def __radd__(self, other):
            return "radd"

        def __rmatmul__(self, other):
            return "rmatmul"

        def __gt__(self, other):
            return "gt"

        def __eq__(self, other):
            return "eq"

        __hash__ = None

    x, r = torch.ones(1), Right()
    assert (x + r, x @ r, x < r, x == r) == ("radd", "rmatmul", "gt", "eq")
    assert (np.float64(2) * x).dtype == torch.float32 and isinstance(np.float64(2) * x, torch.Tensor) and x.__array_priority__ == 1000


def test_disabled():
    class Quiet(torch.Tensor):
        __torch_function__ = torch._C._disabled_torch_function_impl

    assert type(torch.ones(1).as_subclass(Quiet) + 1) is torch.Tensor
    s = torch.ones(1).as_subclass(Logged)
    Logged.log.clear()
    with torch._C.DisableTorchFunctionSubclass():
        assert type(s + 1) is torch.Tensor
        s.shape, torch.broadcast_tensors(s, s)
    assert Logged.log == [] and type(s + 1) is Logged


def test_modes():
    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    seen: list = []
    with Mode():
        x = torch.ones(2)
        x + 1, x.sum(), x[0], x.shape, F.relu(x), torch.tensor([1]), x.size(), -x, torch.stack([x]), x.to(torch.float64), x.exp(), x.tolist()
        x += 1
    x + 1
    assert seen == ["ones", "add", "sum", "__getitem__", "__get__", "relu", "tensor", "size", "neg", "stack", "to", "exp", "tolist", "add_"]


def test_nested_modes_run_from_the_inside_out():
    class Mode(torch.overrides.TorchFunctionMode):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def __torch_function__(self, func, types, args=(), kwargs=None):
            return self.name, func(*args, **(kwargs or {}))

    with Mode("outer"), Mode("inner"):
        inner, (outer, value) = torch.zeros(1)
    assert (inner, outer, value.tolist()) == ("inner", "outer", [0.0])


def test_helpers():
    o = torch.overrides
    assert o.is_tensor_like(Duck()) and o.is_tensor_like(torch.ones(1)) and not o.is_tensor_like(1)
    assert o.has_torch_function((Duck(),)) and not o.has_torch_function((torch.ones(1), nn.Parameter(torch.ones(1)), 1))
    assert o.is_tensor_method_or_property(torch.Tensor.add) and not o.is_tensor_method_or_property(torch.add)
    assert o.resolve_name(torch.add) == "torch.add" and torch.add in o.get_overridable_functions()[torch]
    assert torch.zeros in o.get_ignored_functions()

    def double(x):
        if o.has_torch_function_unary(x):
            return o.handle_torch_function(double, (x,), x)
        return 2 * x

    assert double(3) == 6 and double(d := Duck())[2] == (d,)


def test_methods_and_attributes_of_the_class():
    class Rich(torch.Tensor):
        __slots__ = ("note",)

        def __add__(self, other):
            return "mine"

        def __radd__(self, other):
            return "mine, reflected"

        @property
        def shape(self):
            return "a shape"

    s = torch.ones(1).as_subclass(Rich)
    s.note = 4
    assert (s + 1, 1 + s, torch.ones(1) + s, s.shape, s.note) == ("mine", "mine, reflected", "mine, reflected", "a shape", 4)


def test_parameters():
    p = nn.Parameter(torch.ones(2))
    p.note = 3
    assert type(p + 1) is torch.Tensor and type(p.detach()) is torch.Tensor and p.is_leaf and p.requires_grad
    for q in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(q) is nn.Parameter and q.requires_grad and q.tolist() == [1.0, 1.0]
    assert not nn.Parameter(torch.ones(2, dtype=torch.int64), requires_grad=False).requires_grad
    with pytest.raises(RuntimeError, match="Only Tensors of floating point and complex dtype can require gradients"):
        nn.Parameter(torch.ones(2, dtype=torch.int64))
    assert isinstance(nn.Buffer(torch.ones(1)), nn.Buffer) and type(nn.Buffer(torch.ones(1))) is torch.Tensor


def test_life():
    s = plain(2)
    s.tag = "x"
    r = weakref.ref(s)
    y = (s.requires_grad_() * 2)
    y.tag = "kept"
    z = y.sum()
    assert copy.copy(s).tag == "x" and type(copy.copy(s)) is Plain
    del s, y, z
    gc.collect()
    assert r() is None
