"""Switches (no_grad and friends), grad(), derivatives of functions, gradcheck, graph tools."""
import pytest

import flambeau as torch
from flambeau.autograd import functional as AF


def test_decorators_and_generators():
    x = torch.ones(1, requires_grad=True)

    @torch.no_grad
    def plain():
        return (x * 2).requires_grad

    @torch.no_grad()
    def numbers():
        got = yield (x * 2).requires_grad
        assert got == "sent" and not torch.is_grad_enabled()
        yield (x * 2).requires_grad

    assert plain() is False
    g = numbers()
    assert next(g) is False and torch.is_grad_enabled()
    assert g.send("sent") is False
    assert list(g) == []
    with torch.no_grad(), torch.enable_grad():
        assert (x * 2).requires_grad

    @torch.set_grad_enabled(False)
    def off():
        return torch.is_grad_enabled()

    assert torch.is_grad_enabled() and off() is False and torch.is_grad_enabled()


def test_generator_cleanup_and_throw():
    log = []

    @torch.no_grad()
    def body():
        try:
            while True:
                try:
                    yield 1
                except KeyError:
                    log.append("key")
        finally:
            log.append(torch.is_grad_enabled())

    g = body()
    next(g)
    assert g.throw(KeyError) == 1
    g.close()
    assert log == ["key", False]


def test_grad_arguments():
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    out = torch.autograd.grad((a * 2).sum(), {"a": a})
    assert out["a"].tolist() == [2.0, 2.0]
    assert torch.autograd.grad((a * 2).sum(), [a, b], materialize_grads=True)[1].tolist() == [0.0, 0.0]
    batched, = torch.autograd.grad(a * 2, a, torch.eye(2), is_grads_batched=True)
    assert batched.tolist() == [[2.0, 0.0], [0.0, 2.0]]
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        torch.autograd.grad(a * 2, a)
    with pytest.raises(RuntimeError, match=r"Mismatch in shape: grad_output\[0\] has a shape of torch.Size\(\[3\]\)"):
        torch.autograd.grad(a * 2, a, torch.ones(3))
    with pytest.raises(ValueError, match="Expected allow_unused to be True"):
        torch.autograd.grad(a.sum(), a, allow_unused=False, materialize_grads=True)


def test_functional():
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    assert AF.jacobian(lambda x: x * x, x).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    (jx, jy) = AF.jacobian(lambda x, y: x * y, (x, y))
    assert jx.tolist() == [[3.0, 0.0], [0.0, 4.0]] and jy.tolist() == [[1.0, 0.0], [0.0, 2.0]]
    assert AF.hessian(lambda x: (x ** 3).sum(), x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    assert AF.jvp(lambda x: x * x, x, y)[1].tolist() == [6.0, 16.0]
    assert AF.vjp(lambda x: x * x, x, y)[1].tolist() == [6.0, 16.0]
    assert AF.hvp(lambda x: (x ** 3).sum(), x, y)[1].tolist() == [18.0, 48.0]
    assert AF.vhp(lambda x: (x ** 3).sum(), x, y)[1].tolist() == [18.0, 48.0]
    with pytest.raises(RuntimeError, match="independent of input 0"):
        AF.jacobian(lambda x: torch.ones(2, requires_grad=True), x, strict=True)


class WrongSquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 3 * x * grad


@pytest.mark.parametrize("fast", [False, True])
def test_gradcheck(fast):
    check, double = torch.autograd.gradcheck, torch.autograd.gradgradcheck
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    z = torch.tensor([1 + 1j, 2 - 0.5j], dtype=torch.complex128, requires_grad=True)
    assert check(lambda x: (x * x, x.sin().sum()), x, fast_mode=fast)
    assert check(lambda z: z * z.conj(), z, fast_mode=fast)
    assert check(lambda z: z.abs(), z, fast_mode=fast)
    assert double(lambda x: x ** 3, x, fast_mode=fast)
    with pytest.raises(RuntimeError, match="Jacobian mismatch for output 0 with respect to input 0"):
        check(WrongSquare.apply, x, fast_mode=fast)
    assert check(WrongSquare.apply, x, fast_mode=fast, raise_exception=False) is False
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        check(lambda x: x, torch.ones(1), fast_mode=fast)


def test_multi_grad_hook():
    a, b, c = (torch.ones(1, requires_grad=True) for _ in range(3))
    seen = []
    handle = torch.autograd.graph.register_multi_grad_hook([a, b, c], seen.append)
    (a * 2 + b * 3).backward()
    assert [None if g is None else g.item() for g in seen[0]] == [2.0, 3.0, None]
    handle.remove()
    (a * 2).backward()
    assert len(seen) == 1


def test_saved_tensor_hooks():
    log = []

    def pack(t):
        log.append("pack")
        return t.tolist()

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda v: torch.tensor(v)):
        y = (x * x).sum()
    y.backward()
    assert log and x.grad.tolist() == [2.0, 4.0]
