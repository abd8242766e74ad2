"""Schemas, the binding of arguments, out= and in-place forms of operators written in Python."""

import pickle

import pytest

import flambeau as torch
from flambeau._schema import REQUIRED, Mismatch, Signature


def test_signature_reads_types_sizes_and_defaults():
    signature = Signature('f.over(Tensor(a!) self, int[2] k=1, float? p=None, *, Scalar alpha=1e-3, str mode="x") '
                          "-> Tensor")
    kinds = [(p.name, p.type, p.size, p.optional) for p in signature.parameters]
    assert kinds == [("self", "Tensor", 0, False), ("k", "int[]", 2, False), ("p", "float", 0, True),
                     ("alpha", "Scalar", 0, False), ("mode", "str", 0, False)]
    assert signature.parameters[0].default is REQUIRED
    assert [p.default for p in signature.parameters[1:]] == [[1, 1], None, 1e-3, "x"]
    assert (signature.name, signature.overload, signature.positional) == ("f", "over", 3)


def test_signature_binds_one_int_as_a_list_and_names_results():
    signature = Signature("f(Tensor self, int[2] k) -> (Tensor values, Tensor indices)")
    assert signature.bind((torch.ones(1), 3), {}, False, "f")[1] == [3, 3]
    assert signature.fields == ["values", "indices"]
    with pytest.raises(Mismatch, match="argument 'k' .position 2. must be tuple of ints, not str"):
        signature.bind((torch.ones(1), "a"), {}, False, "f")


@pytest.mark.parametrize("call, message", [
    (lambda: torch.diff([1]), "argument 'input' .position 1. must be Tensor, not list"),
    (lambda: torch.diff(), "missing 1 required positional argument"),
    (lambda: torch.diff(torch.ones(2), 1, 0, None, None, 5), "takes from 1 to 5 positional arguments but 6 were given"),
    (lambda: torch.diff(torch.ones(2), foo=1), "unexpected keyword argument 'foo'"),
    (lambda: torch.diff(torch.ones(2), 1.5), "argument 'n' .position 2. must be int, not float"),
    (lambda: torch.std_mean(torch.ones(2), "a"), "invalid combination of arguments"),
    (lambda: torch.hstack(torch.ones(2)), "argument 'tensors' .position 1. must be tuple of Tensors, not Tensor"),
])
def test_wrong_arguments_raise_type_errors_that_name_them(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_numpy_names_and_one_by_one_ints():
    x = torch.tensor([[1, 3], [2, 7]])
    assert torch.diff(x, axis=0).tolist() == [[1, 4]]
    assert torch.diff(input=x).tolist() == [[2], [5]]
    assert x.tile(1, 2).tolist() == x.tile((1, 2)).tolist() == [[1, 3, 1, 3], [2, 7, 2, 7]]


def test_out_is_filled_resized_and_checked():
    out = torch.empty(0)
    assert torch.outer(torch.tensor([1., 2.]), torch.tensor([3.]), out=out) is out
    assert out.tolist() == [[3.0], [6.0]]
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.outer(torch.ones(2), torch.ones(2), out=torch.empty(2, 2, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        torch.outer(torch.ones(2, requires_grad=True), torch.ones(2), out=torch.empty(2, 2))
    with pytest.warns(UserWarning, match="was resized"):
        torch.outer(torch.ones(2), torch.ones(2), out=torch.empty(3))


def test_inplace_form_records_a_gradient():
    x = torch.tensor([[1.0, 2.0]], requires_grad=True)
    y = x * 1
    assert y.addr_(torch.ones(1), torch.tensor([1.0, 1.0]), beta=2) is y
    y.sum().backward()
    assert y.tolist() == [[3.0, 5.0]] and x.grad.tolist() == [[2.0, 2.0]]


def test_inplace_form_refuses_another_shape_or_dtype():
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape|size mismatch"):
        torch.zeros(1, 2).addr_(torch.ones(3), torch.ones(2))
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.zeros(2, dtype=torch.int64).ldexp_(torch.ones(2))


def test_named_results_print_and_pickle():
    result = torch.histogram(torch.tensor([1.0, 2.0]), bins=1, range=(0.0, 4.0))
    assert result.hist is result[0] and tuple(result) == (result.hist, result.bin_edges)
    assert repr(result) == "torch.return_types.histogram(\nhist=tensor([2.]),\nbin_edges=tensor([0., 4.]))"
    assert pickle.loads(pickle.dumps(torch.linalg.slogdet(torch.eye(2)))).sign.item() == 1.0
    with pytest.raises(TypeError, match="takes a 2-sequence"):
        type(result)([1])


def test_torch_function_is_asked_first():
    class Override:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func.__name__, len(args)

    assert torch.diff(Override()) == ("diff", 1)
    assert torch.stack([Override(), torch.ones(1)]) == ("stack", 1)
