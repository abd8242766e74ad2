"""The backward pass: graphs kept and freed, hooks of every kind, writes in place, very deep graphs, no leaks."""
import gc
import threading
import weakref

import flambeau as torch
import pytest


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


def test_graph_is_freed_unless_retained():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0, 8.0]
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()


def test_create_graph():
    x = leaf(3.0)
    first, = torch.autograd.grad((x ** 3).sum(), x, create_graph=True)
    second, = torch.autograd.grad(first.sum(), x)
    assert first.tolist() == [27.0] and second.tolist() == [18.0]


def test_version_errors():
    x = leaf(1.0)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable"):
        x[:1].add_(1)


def test_writes_to_windows_reach_the_base():
    x = leaf(1.0, 2.0, 3.0)
    base = x * 2
    window = base[1:]
    window.mul_(10)
    assert type(base.grad_fn).__name__ == "CopySlices"
    base.sum().backward()
    assert x.grad.tolist() == [2.0, 20.0, 20.0]
    x.grad = None
    base = x * 2
    window = base[:2]
    base.mul_(3)
    (window * torch.tensor([1.0, 10.0])).sum().backward()
    assert x.grad.tolist() == [6.0, 60.0, 0.0]


def test_window_made_anew_runs_after_all_its_consumers():
    x = leaf(1.0, 1.0)
    base = x * 1
    window = base[:]
    base.mul_(2)
    calls = []
    a, b = window * 3, window * 5
    window.register_hook(lambda g: calls.append(g.tolist()))
    (a + b).sum().backward()
    assert calls == [[8.0, 8.0]] and x.grad.tolist() == [16.0, 16.0]


def test_hooks():
    x = leaf(1.0, 1.0)
    y = x * 2
    seen = []
    handle = y.register_hook(lambda g: handle.remove() or g * 3)
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.sum().backward(retain_graph=True)
    assert seen == [[3.0, 3.0]] and x.grad.tolist() == [6.0, 6.0]
    x.grad = None
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_hooks_that_raise_add_hooks_or_run_backward():
    x = leaf(1.0)

    def boom(g):
        raise KeyError("boom")
    handle = x.register_hook(boom)
    with pytest.raises(KeyError):
        (x * 2).sum().backward()
    handle.remove()
    y = x * 2
    y.register_hook(lambda g: [y.register_hook(lambda g: g) for _ in range(100)] and None)

    def nested(g):
        with torch.enable_grad():
            z = leaf(4.0)
            (z * z).sum().backward()
        return z.grad
    y.register_hook(nested)
    y.sum().backward()
    assert x.grad.tolist() == [16.0]
    y = x * 2
    y.grad_fn.register_hook(lambda ins, outs: 1)
    with pytest.raises(TypeError, match="hook returned 'int'"):
        y.sum().backward()


def test_retained_gradients():
    x = leaf(1.0)
    y = x * 2
    y.retain_grad()
    (y * 3).sum().backward()
    assert y.grad.tolist() == [3.0]
    y = x * 2
    y.retain_grad()
    total = (y * 3).sum()
    y.detach_()
    del y
    total.backward()
    with pytest.warns(UserWarning, match="not a leaf Tensor"):
        assert (x * 2).grad is None


def test_post_accumulate_hook_may_drop_the_gradient():
    x = leaf(1.0)
    x.register_post_accumulate_grad_hook(lambda p: setattr(p, "grad", None))
    (x * 2).sum().backward()
    assert x.grad is None


@pytest.mark.parametrize("step", [lambda y: y * 1.0, torch.sigmoid, lambda y: y.view(1), lambda y: y.mul_(1.0)])
def test_deep_graphs(step):
    x = leaf(1.0)
    y = x * 1
    for _ in range(100_000):
        y = step(y)
    y.sum().backward()
    assert x.grad is not None
    del y
    gc.collect()


def test_long_chains_of_gradients():
    first = last = torch.ones(1)
    for _ in range(100_000):
        last.grad = torch.ones(1)
        last = last.grad
    del first, last


def test_nothing_leaks():
    def work():
        x = leaf(1.0, 2.0)
        x.register_hook(lambda g: g + x * 0)
        y = (x * x).sin()
        y.retain_grad()
        y.register_hook(lambda g: None)
        y.sum().backward(create_graph=True)
        x.grad = None
        with torch.autograd.graph.saved_tensors_hooks(lambda t: (t,), lambda p: p[0]):
            z = (x * x).sum()
        z.backward()

    def alive():
        for _ in range(3):
            gc.collect()
        stats = torch.memory_stats()
        return stats["live_tensors"], stats["live_nodes"]
    work()
    before = alive()
    for _ in range(10):
        work()
    assert alive() == before


def test_hook_cycles_are_collected():
    x = leaf(1.0)
    x.register_hook(lambda g, x=x: g)
    ref = weakref.ref(x)
    del x
    gc.collect()
    assert ref() is None


def test_threads():
    w, errors = leaf(1.0), []
    shared = (w * 2).sum()

    def run():
        try:
            for _ in range(50):
                x = leaf(1.0)
                (x * 3).sum().backward()
                assert x.grad.tolist() == [3.0]
                shared.backward(retain_graph=True)
        except BaseException as error:  # reported in the main thread
            errors.append(error)
    threads = [threading.Thread(target=run) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors and w.grad.tolist() == [400.0]
