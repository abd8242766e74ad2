"""Dual numbers: tangents through operators, modules and custom functions; levels; gradcheck's forward mode."""
import pytest

import flambeau as torch
import flambeau.autograd.forward_ad as fwAD
from flambeau.autograd import Function


def test_tangents_follow_operators():
    x, v = torch.tensor([0.5, 2.0]), torch.tensor([1.0, -3.0])
    with fwAD.dual_level():
        dual = fwAD.make_dual(x, v)
        assert fwAD.unpack_dual(dual).tangent is v and fwAD.unpack_dual(x).tangent is None
        other = fwAD.make_dual(torch.ones(2), torch.tensor([2.0, 2.0]))
        y = dual.sin() * other + x
        primal, tangent = fwAD.unpack_dual(y)
        torch.testing.assert_close(tangent, x.cos() * v + 2 * x.sin())
        torch.testing.assert_close(primal, x.sin() + x)
        assert not primal.requires_grad and not tangent.requires_grad
        assert fwAD.unpack_dual((dual > 1).float()).tangent is None
    assert fwAD.unpack_dual(y).tangent is None


def test_tangents_of_parameters_are_differentiable():
    model = torch.nn.Linear(2, 1, bias=False)
    weight, x = model.weight, torch.tensor([[1.0, 3.0]])
    with fwAD.dual_level():
        del model.weight
        model.weight = fwAD.make_dual(weight, torch.ones(1, 2))
        tangent = fwAD.unpack_dual(model(x).square().sum()).tangent
    torch.testing.assert_close(tangent, 2 * (weight * x).sum() * 4)
    tangent.backward()
    torch.testing.assert_close(weight.grad, 8 * x)


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        out = x.exp()
        ctx.save_for_forward(out)
        return out

    @staticmethod
    def jvp(ctx, tangent):
        return tangent * ctx.saved_tensors[0]


def test_functions_with_jvp():
    x, v = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0])
    with fwAD.dual_level():
        out = Exp.apply(fwAD.make_dual(x, v)) * 2
        torch.testing.assert_close(fwAD.unpack_dual(out).tangent, 2 * v * x.exp())
    x = torch.rand(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Exp.apply, (x,), check_forward_ad=True, check_backward_ad=False)

    class Wrong(Exp):
        @staticmethod
        def jvp(ctx, tangent):
            return 2 * tangent

    with pytest.raises(RuntimeError, match="forward mode mismatch"):
        torch.autograd.gradcheck(Wrong.apply, (x,), check_forward_ad=True, check_backward_ad=False)
    assert torch.autograd.gradcheck(lambda a: (a * a).cumsum(0), (x,), check_forward_ad=True)


def test_errors():
    with pytest.raises(RuntimeError, match="no level exists"):
        fwAD.make_dual(torch.ones(1), torch.ones(1))
    with pytest.raises(RuntimeError, match="not the last one"):
        fwAD.exit_dual_level()
    with fwAD.dual_level():
        with pytest.raises(RuntimeError, match="Nested forward mode AD is not supported"):
            fwAD.enter_dual_level()
        with pytest.raises(RuntimeError, match="same shape and dtype"):
            fwAD.make_dual(torch.ones(1), torch.ones(2))
        with pytest.raises(ValueError, match="Expected primal to be floating point"):
            fwAD.make_dual(torch.ones(1, dtype=torch.int64), torch.ones(1))


def test_name_of_leaves():
    x = torch.ones(1, requires_grad=True)
    assert (x * 2).grad_fn.next_functions[0][0].name() == "torch::autograd::AccumulateGrad"
