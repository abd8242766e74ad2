"""Custom autograd functions: static, with setup_context, and the early instance form."""
import pytest

import flambeau as torch
from flambeau.autograd import Function, Variable
from flambeau.autograd.function import once_differentiable


class Scale(Function):
    @staticmethod
    def forward(ctx, x, k):
        ctx.save_for_backward(x)
        ctx.k = k
        return x * k

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        assert ctx.needs_input_grad == (True, False)
        return grad * ctx.k, None


def test_static():
    x = torch.ones(3, requires_grad=True)
    y = Scale.apply(x, 4)
    assert type(y.grad_fn).__name__ == "ScaleBackward"
    y.backward(torch.tensor([1.0, 2.0, 3.0]))
    assert x.grad.tolist() == [4.0, 8.0, 12.0]
    assert Scale.apply(torch.ones(3), 4).grad_fn is None


def test_setup_context_and_keywords():
    class Power(Function):
        @staticmethod
        def forward(x, n):
            return x ** n

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, n = inputs
            ctx.save_for_backward(x)
            ctx.n = n

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * ctx.n * x ** (ctx.n - 1), None

    x = torch.tensor([2.0], requires_grad=True)
    Power.apply(x, 3).backward()
    assert x.grad.item() == 12.0


def test_missing_gradients_arrive_as_zeros_or_none():
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, x, materialize):
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            seen.append(b)
            return a * 2, None

    x = torch.ones(2, requires_grad=True)
    Two.apply(x, True)[0].sum().backward()
    assert seen[0].tolist() == [0.0, 0.0]
    Two.apply(x, False)[0].sum().backward()
    assert seen[1] is None


def test_wrong_number_of_gradients():
    class Short(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, grad):
            return grad

    a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"returned an incorrect number of gradients \(expected 2, got 1\)"):
        Short.apply(a, b).backward()


def test_dirty_and_non_differentiable():
    class AddOne(Function):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad

    class Sorted(Function):
        @staticmethod
        def forward(ctx, x):
            values, index = x.sort()
            ctx.mark_non_differentiable(index)
            ctx.save_for_backward(index)
            return values, index

        @staticmethod
        def backward(ctx, grad, _):
            (index,) = ctx.saved_tensors
            return torch.zeros_like(grad).index_add(0, index, grad)

    x = torch.tensor([3.0, 1.0], requires_grad=True)
    y = x * 2
    z = AddOne.apply(y)
    assert z is y and z.tolist() == [7.0, 3.0]
    values, index = Sorted.apply(z)
    assert not index.requires_grad
    values.backward(torch.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [20.0, 2.0]


def test_expanded_gradient_may_be_written():
    class Mask(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.sign()

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            grad[x > 1] = 0
            return grad

    x = torch.tensor([0.5, 2.0], requires_grad=True)
    Mask.apply(x).sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]


def test_once_differentiable():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return 2 * x * grad

    x = torch.ones(1, requires_grad=True)
    (first,) = torch.autograd.grad(Square.apply(x), x, torch.ones(1, requires_grad=True), create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        (first * first).backward()


def test_instance_form():
    class Relu(Function):
        def forward(self, x):
            self.save_for_backward(x)
            return x.clamp(min=0)

        def backward(self, grad):
            grad = grad.clone()
            grad[self.to_save[0] < 0] = 0
            return grad

    x = Variable(torch.tensor([-1.0, 2.0]), requires_grad=True)
    f = Relu()
    y, again = f(x), f(x * 2)
    y.backward(torch.ones(2))
    assert x.grad.tolist() == [0.0, 1.0] and y.grad.tolist() == [1.0, 1.0]
    again.backward(torch.ones(2))
    assert x.grad.tolist() == [0.0, 3.0]


def test_base_class_methods():
    class Empty(Function):
        pass

    with pytest.raises(NotImplementedError):
        Empty.apply(torch.ones(1))
    with pytest.raises(NotImplementedError):
        Empty()(torch.ones(1))


def test_volatile():
    x = Variable(torch.ones(2), requires_grad=True)
    y = Variable(torch.ones(2), volatile=True)
    z = (x + y) * x
    assert not z.requires_grad and z.volatile
    assert (x + x).requires_grad
    with pytest.raises(ValueError):
        Variable(torch.ones(1), requires_grad=True, volatile=True)
