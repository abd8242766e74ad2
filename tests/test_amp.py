"""autocast and GradScaler."""
import pickle
import warnings

import pytest

import flambeau as torch


def scaler(**kwargs):
    return torch.amp.GradScaler("cpu", **kwargs)


def step(s, factor, w, opt):
    opt.zero_grad()
    s.scale((w * factor).sum()).backward()
    s.step(opt)
    s.update()


def test_growth_and_backoff():
    s = scaler(init_scale=8.0, growth_interval=2)
    w = torch.ones(1, requires_grad=True)
    opt = torch.optim.SGD([w], lr=0.1)
    log = []
    for factor in (1.0, 1.0, float("inf"), 1.0, float("nan"), 1.0, 1.0):
        step(s, factor, w, opt)
        log.append((s.get_scale(), round(w.item(), 4)))
    assert log == [(8.0, 0.9), (16.0, 0.8), (8.0, 0.8), (8.0, 0.7), (4.0, 0.7), (4.0, 0.6), (8.0, 0.5)]


def test_state_and_pickle():
    s = scaler(init_scale=4.0, growth_interval=3)
    w = torch.ones(1, requires_grad=True)
    opt = torch.optim.SGD([w], lr=0.1)
    step(s, 1.0, w, opt)
    want = {"scale": 4.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 3, "_growth_tracker": 1}
    assert s.state_dict() == want
    t = scaler()
    t.load_state_dict(want)
    assert t.state_dict() == want and pickle.loads(pickle.dumps(s)).state_dict() == want
    with pytest.raises(RuntimeError, match="source state dict is empty"):
        t.load_state_dict({})


def test_order_of_calls():
    s = scaler(init_scale=4.0)
    w = torch.ones(1, requires_grad=True)
    opt = torch.optim.SGD([w], lr=0.1)
    with pytest.raises(AssertionError, match="_scale is None"):
        s.update()
    s.scale((w * 100).sum()).backward()
    s.unscale_(opt)
    assert w.grad.item() == 100.0
    with pytest.raises(RuntimeError, match=r"unscale_\(\) has already been called"):
        s.unscale_(opt)
    s.step(opt)
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called since the last update\(\)"):
        s.step(opt)
    with pytest.raises(RuntimeError, match=r"unscale_\(\) is being called after step\(\)"):
        s.unscale_(opt)
    s.update()
    with pytest.raises(RuntimeError, match="Closure use"):
        s.step(opt, closure=lambda: None)


def test_disabled_and_cuda_names():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        s = torch.cuda.amp.GradScaler()
    assert not s.is_enabled() and s.get_scale() == 1.0 and s.state_dict() == {}
    assert any("deprecated" in str(w.message) for w in seen)
    assert any("CUDA is not available" in str(w.message) for w in seen)
    assert s.scale(3) == 3


def test_autocast():
    x = torch.rand(4, 4)
    with torch.autocast("cpu"):
        assert (x @ x).dtype == torch.bfloat16 and (x + x).dtype == torch.float32
        with torch.autocast("cpu", enabled=False):
            assert (x @ x).dtype == torch.float32
        with torch.autocast("cpu", dtype=torch.float16):
            assert (x @ x).dtype == torch.float16
        assert torch.is_autocast_enabled("cpu")
    assert (x @ x).dtype == torch.float32

    @torch.autocast("cpu", dtype=torch.bfloat16)
    def product(a):
        return a @ a

    assert product(x).dtype == torch.bfloat16
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`"):
        torch.autocast(3)
    with pytest.warns(UserWarning, match="target dtype is not supported"):
        assert not torch.autocast("cpu", dtype=torch.float64)._enabled


def test_custom_fwd_bwd():
    class MatMul(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
        def forward(ctx, a):
            ctx.save_for_backward(a)
            assert not torch.is_autocast_enabled("cpu")
            return a @ a

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, grad):
            (a,) = ctx.saved_tensors
            return grad @ a.t() + a.t() @ grad

    a = torch.eye(2, requires_grad=True)
    with torch.autocast("cpu"):
        out = MatMul.apply(a)
    assert out.dtype == torch.float32
    out.sum().backward()
    assert a.grad.dtype == torch.float32
