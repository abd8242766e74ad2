"""Compiled functions: chains of elementwise operators run fused, with the results, errors and side effects of the plain program."""
from __future__ import annotations

import random
import threading

import numpy as np
import pytest

import flambeau as torch

N = 70, 100  # more elements than a tensor needs to be put off


def pair(dtype=None, grad=False):
    torch.manual_seed(0)
    dtype = dtype or torch.float32
    return [torch.randn(*N, dtype=dtype).requires_grad_(grad) for _ in range(2)]


def same(f, *args):
    plain, fused = f(*args), torch.compile(f)(*args)
    if isinstance(plain, torch.Tensor):
        plain, fused = [plain], [fused]
    for a, b in zip(plain, fused, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape and a.stride() == b.stride()
        assert torch.equal(a.nan_to_num(7), b.nan_to_num(7))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_chains_give_the_same_bits(dtype):
    x, y = pair(dtype)
    same(lambda x, y: torch.relu(x * y + x) * 0.5 - y, x, y)
    same(lambda x, y: torch.where(x > y, x.exp(), y.sin() / 3), x, y)
    same(lambda x, y: (x.clamp(-1, 1) ** 2 + y.abs().sqrt()).tanh(), x, y)
    same(lambda x, y: (x > 0, x.double() + y, (x * 2).to(torch.float32) - 1), x, y)


def test_smaller_operands_are_broadcast():
    x, y = pair()
    row, column, one = torch.randn(100), torch.randn(70, 1), torch.randn(1, 1)
    same(lambda x: (x - x.mean(0)) / (x.std(0) + 1e-5) * row + column, x)
    same(lambda x: x * column + one - row[None] * x.t().t(), x)
    same(lambda x: x + torch.arange(100) - column.double(), x)
    same(lambda x: x.view(7, 10, 100) * column.view(7, 10, 1) + torch.randn(10, 1, generator=torch.Generator().manual_seed(1)), x)
    same(lambda x: torch.where(row > 0, x.bfloat16(), row.bfloat16()[::1]) + row[::2].repeat(2), x)
    same(lambda x: (row * 2 + column, row[:50] * column), x)  # neither operand has the result's shape

    def normalise(x, weight):
        return (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight).sum()

    grads = []
    for f in (normalise, torch.compile(normalise)):
        x, weight = pair(grad=True)[0], row.clone().requires_grad_()
        f(x, weight).backward()
        grads.append((x.grad, weight.grad))
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_random_programs():
    draw = random.Random(0)
    unary = [torch.sin, torch.exp, torch.neg, torch.abs, torch.sigmoid, torch.relu, lambda t: t * 3, lambda t: 1 - t,
             lambda t: t.clamp(max=1), lambda t: t > 0, lambda t: t.float(), lambda t: t.t(), lambda t: t[1:-1, 2:]]
    binary = [torch.add, torch.mul, torch.sub, torch.maximum, lambda a, b: torch.where(a > b, a, b), torch.atan2]
    for _ in range(60):
        plan = [(draw.random(), draw.choice(unary), draw.choice(binary), draw.random(), draw.random()) for _ in range(12)]

        def program(x, y, plan=plan):
            live = [x, y]
            for which, one, two, i, j in plan:
                a, b = live[int(i * len(live))], live[int(j * len(live))]
                live.append(two(a.float(), b.float()) if which < 0.5 and a.shape == b.shape else one(a.float()))
                if which > 0.9:
                    del live[0]
                elif which > 0.8 and live[-1].is_floating_point():
                    live[-1].mul_(2)
            return live

        x, y = pair()
        plain = program(x.clone(), y.clone())
        fused = torch.compile(program)(x.clone(), y.clone())
        for a, b in zip(plain, fused, strict=True):
            assert torch.equal(a.nan_to_num(7), b.nan_to_num(7))


def test_a_write_comes_after_what_reads_the_old_values():
    def f(x, y):
        a = x * 2
        x.add_(1)
        b = x * 2
        y[0] = 5
        c = y + 1
        y.zero_()
        torch.neg(c, out=x)
        return a, b, c, x, y

    plain = f(*pair())
    fused = torch.compile(f)(*pair())
    for a, b in zip(plain, fused, strict=True):
        assert torch.equal(a, b)


def test_values_can_be_looked_at_on_the_way():
    def f(x, y):
        a = x * y
        if a.sum().item() > 0:
            a = a + 1
        first = a[3, 4].item()
        array = (a * 2).numpy()
        return a - first, torch.from_numpy(array.copy()), a.view(-1)[5:9] * 2, a.t().contiguous(), (a @ y.t()).relu()

    same(f, *pair())


def test_numbers_out_of_results_that_are_owed():
    def f(x, y):
        a = x * y
        first = a[3, 4]
        return x.sin() * first + a * first, torch.where(a > first, a, first), x / a.view(-1)[7]

    same(f, *pair())


def test_memory_refused_when_the_chain_runs():
    x, y = pair()
    want = torch.relu(x * y + x) * 0.5 - y
    f = torch.compile(lambda x, y: torch.relu(x * y + x) * 0.5 - y)
    f(x, y)
    before, refused = torch._C._memory_stats()["storage_bytes"], 0
    for n in range(60):
        torch._C._fail_allocation_after(n)
        try:
            got = f(x, y)
        except torch.OutOfMemoryError:
            refused += 1
            got = None
        finally:
            torch._C._fail_allocation_after(-1)
        if got is not None:
            break
        assert torch.equal(f(x, y), want)
        assert torch._C._memory_stats()["storage_bytes"] == before
    assert refused > 0 and torch.equal(got, want)


def test_gradients():
    def loss(x, y):
        return (torch.tanh(x * y) * x.exp() + y / 2).pow(2).mean()

    grads = []
    for f in (loss, torch.compile(loss)):
        x, y = pair(grad=True)
        f(x, y).backward()
        grads.append((x.grad, y.grad))
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_a_whole_step_compiled():
    def run(wrap):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.GELU(), torch.nn.LayerNorm(128), torch.nn.Linear(128, 1))
        optimizer = torch.optim.Adam(model.parameters())
        x, y = torch.randn(256, 64), torch.randn(256, 1)

        @wrap
        def step():
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(x), y)
            loss.backward()
            for p in model.parameters():
                p.grad.mul_(0.5)
            optimizer.step()
            return loss

        return [step().item() for _ in range(5)], [p.detach() for p in model.parameters()]

    plain, fused = run(lambda f: f), run(torch.compile)
    assert plain[0] == fused[0]
    assert all(torch.equal(a, b) for a, b in zip(plain[1], fused[1], strict=True))


def test_saved_values_keep_their_versions():
    @torch.compile
    def f(x):
        y = x.sigmoid()
        z = y * y
        y.mul_(2)
        return z.sum()

    out = f(pair(grad=True)[0])
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


def test_errors_come_where_they_would():
    @torch.compile
    def f(x):
        y = x * 2
        with pytest.raises(RuntimeError, match="must match the size"):
            y + torch.ones(3)
        return y

    x = pair()[0]
    assert torch.equal(f(x), x * 2)

    @torch.compile
    def broken(x):
        raise KeyError((x * 2).sum().item())

    with pytest.raises(KeyError):
        broken(x)
    assert torch.equal(x * 2 - x, x)  # nothing is put off any more


def test_results_nobody_holds_take_no_memory():
    x = torch.randn(1 << 20)
    before = torch._C._memory_stats()["storage_bytes"]
    y = torch.compile(lambda x: ((x + 1) * 2).sin())(x)
    assert torch.equal(y, ((x + 1) * 2).sin())
    del y
    assert torch._C._memory_stats()["storage_bytes"] == before

    @torch.compile
    def peak(x):
        torch._C._reset_peak_memory()
        start = torch._C._memory_stats()["peak_bytes"]
        y = ((((x + 1) * 2).sin() + x) * x).cos()
        y.sum()
        return torch._C._memory_stats()["peak_bytes"] - start

    assert peak(x) <= 5 << 20  # one result of 4 MiB, no other


def test_nested_functions_modules_and_threads():
    inner = torch.compile(lambda x: x.sin() * 2)
    outer = torch.compile(lambda x: inner(x) + inner(x + 1))
    x = pair()[0]
    want = x.sin() * 2 + (x + 1).sin() * 2
    assert torch.equal(outer(x), want)
    module = torch.compile(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh()))
    assert torch.equal(module(x), x.relu().tanh())
    results = []
    threads = [threading.Thread(target=lambda: results.append(outer(x))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(results) == 4 and all(torch.equal(r, want) for r in results)


def test_a_put_off_value_read_by_another_thread():
    seen = []

    @torch.compile
    def f(x):
        y = x * 2
        t = threading.Thread(target=lambda: seen.append(y.sum().item()))
        t.start()
        t.join()
        return y + 1

    x = pair()[0]
    assert torch.equal(f(x), x * 2 + 1)
    assert seen == [(x * 2).sum().item()]


def test_storages_and_pointers_are_real():
    @torch.compile
    def f(x):
        y = x + 1
        assert y.data_ptr() != 0
        z = x + 2
        assert len(bytes(z.untyped_storage())) == z.numel() * 4
        w = x * 3
        memory = np.asarray(w)
        w += 1
        assert memory[0, 0] == w[0, 0].item()
        return y, z, w

    x = pair()[0]
    for got, want in zip(f(x), (x + 1, x + 2, x * 3 + 1), strict=True):
        assert torch.equal(got, want)
