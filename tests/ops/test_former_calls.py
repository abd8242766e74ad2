"""Early orders of arguments: the factor in front of the tensor it multiplies."""
import pytest

import flambeau as torch


@pytest.mark.filterwarnings("ignore:This overload of")
def test_factors_in_front():
    a, v, b = torch.full((2, 2), 2.0), torch.ones(2), torch.ones(2, 2, 2)
    for got, expected in (
            (a.add(3, a), a + 3 * a), (torch.add(a, 3, a), a + 3 * a), (a.clone().add_(-0.5, a), a - 0.5 * a),
            (a.sub(3, a), a - 3 * a), (a.addcmul(3, a, a), a + 3 * a * a), (a.clone().addcdiv_(3, a, a), a + 3),
            (torch.addcdiv(a, 3, a, a), a + 3), (a.addmm(2, a, a), 2 * a + a @ a), (a.addmm(2, 3, a, a), 2 * a + 3 * a @ a),
            (torch.addmm(2, a, 3, a, a), 2 * a + 3 * a @ a), (torch.addmm(2, a, a, a), 2 * a + a @ a),
            (v.addmv(2, 3, a, v), 2 * v + 3 * a @ v), (a.clone().addr_(2, v, v), 2 * a + 1),
            (b.baddbmm(2, b, b), 2 * b + b @ b), (torch.addbmm(2, a, 3, b, b), 2 * a + 3 * (b @ b).sum(0))):
        torch.testing.assert_close(got, expected)
    x = torch.ones(2, requires_grad=True)
    x.add(3, x).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]


@pytest.mark.parametrize("call", [lambda a: a.add(2, "x"), lambda a: a.add_("2", a), lambda a: a.addmm(a, 2, a),
                                  lambda a: torch.add(a, 2, a, alpha=3), lambda a: a.addmv(2, a)])
def test_others_stay_errors(call):
    with pytest.raises(TypeError):
        call(torch.ones(2, 2))


@pytest.mark.parametrize("name", ["eig", "lstsq", "matrix_rank", "solve", "symeig"])
def test_removed_functions_name_their_successors(name):
    with pytest.raises(RuntimeError, match="deprecated since version 1.9 and is now removed.*torch.linalg"):
        getattr(torch, name)(torch.eye(2))


@pytest.mark.parametrize("name", ["stack", "cat"])
def test_what_is_no_tensor_in_a_list_is_named(name):
    with pytest.raises(TypeError, match="expected Tensor as element 1 in argument 0, but got NoneType"):
        getattr(torch, name)([torch.ones(2), None])
    with pytest.raises(TypeError, match="must be tuple of Tensors, not Tensor"):
        getattr(torch, name)(torch.ones(2))
