"""Names of graph nodes, gradients that are zero but connected, what cannot be differentiated, second derivatives of complex and
sampling operators, out= and in-place forms while recording."""

import flambeau as torch
import pytest

D = torch.float64


def leaf(*shape):
    torch.manual_seed(0)
    return torch.rand(shape, dtype=D, requires_grad=True)


def test_operators_of_one_step_are_named_as_in_pytorch():
    nn, x, square = torch.nn.functional, leaf(4, 4), leaf(3, 3)
    named = [(torch.log1p(x), "Log1P"), (torch.deg2rad(x), "Deg2Rad"), (torch.special.i0e(x), "SpecialI0E"),
             (nn.glu(x), "Glu"), (nn.prelu(x, leaf(1)), "PreluKernel"), (nn.pad(x[None], (1, 1), "reflect"), "ReflectionPad1D"),
             (torch.trace(x), "Trace"), (torch.rot90(x), "Rot90"), (nn.pixel_shuffle(x[:, None, None] + leaf(4, 4, 1, 4), 2),
                                                                     "PixelShuffle"),
             (torch.addmv(x[0], x, x[0]), "Addmv"), (torch.linalg.qr(square).Q, "LinalgQr"),
             (torch.linalg.inv(square), "LinalgInvEx"), (torch.fft.rfft(x), "FftR2C"), (x.sort(stable=True).values, "Sort")]
    for result, name in named:
        assert result.grad_fn.name() in (name + "Backward0", name + "Backward1"), (result.grad_fn, name)
    assert torch.div(x, x, rounding_mode="floor").grad_fn.name() == "DivBackward2"
    assert x.clamp_min(x * 2).grad_fn.name() == "ClampMinBackward1" and x.clamp_min(0.5).grad_fn.name() == "ClampMinBackward0"
    assert torch.t_copy(x).grad_fn.name() == "TBackward0_copy"
    y = x.clone()
    assert y.mvlgamma_(1).grad_fn.name() == "MvlgammaBackward0"


def test_gradients_that_are_zero_are_connected():
    nn, x = torch.nn.functional, leaf(1, 4, 4)
    torch.manual_seed(0)
    for call in (lambda: nn.prelu(x, torch.tensor(0.2, dtype=D)), lambda: nn.pad(x, (1, 1), "replicate"),
                 lambda: nn.fractional_max_pool2d(x, 2, 2), lambda: torch.stft(x[0, 0].repeat(4), 4, return_complex=True,
                                                                               window=torch.ones(4, dtype=D)).abs()):
        y = call()
        first, = torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)
        assert first.requires_grad
        torch.autograd.grad(first.sum(), x)


def test_indices_have_no_history():
    for call in (lambda x: x.sort(0), lambda x: x.topk(2, 0), lambda x: x.max(0), lambda x: x.cummax(0), lambda x: x.mode(0)):
        x = leaf(4, 3)
        values, indices = call(x)
        gradient, = torch.autograd.grad(values, x, torch.ones_like(values), create_graph=True)
        assert not gradient.requires_grad
    y = torch.quantile(leaf(), 0.5, dim=0)
    assert y.requires_grad  # its gradient, recorded, once wrote where there was no place for it


def test_what_has_no_derivative():
    x = leaf(3)
    assert torch.floor_divide(x, 2).grad_fn.name() == "NotImplemented"
    with pytest.raises(RuntimeError, match="derivative for aten::floor_divide is not implemented"):
        torch.floor_divide(x, 2).sum().backward()
    with pytest.raises(RuntimeError, match="derivative for aten::heaviside_ is not implemented"):
        x.clone().heaviside_(x)
    with pytest.raises(NotImplementedError, match="the derivative for 'igamma: input' is not implemented"):
        torch.igamma(x, x).sum().backward()
    assert not torch.special.bessel_j0(x).requires_grad
    with pytest.raises(RuntimeError, match="not differentiable with respect to argument 'running_mean'"):
        torch.nn.functional.batch_norm(leaf(2, 3), x, x.detach())


def test_second_derivatives():
    z = torch.tensor([0.3 + 0.4j, -1 + 0.2j], dtype=torch.complex128, requires_grad=True)
    for function in (torch.tanh, torch.sigmoid):
        assert torch.autograd.gradgradcheck(function, z)
    for dims in (2, 3):
        x, grid = leaf(1, 2, *(4, 3, 5)[:dims]), (leaf(1, *(2, 3, 2)[:dims], dims).detach() * 1.7 - 0.9).requires_grad_()
        for mode in ("bilinear", "nearest") + (("bicubic",) if dims == 2 else ()):
            for padding in ("zeros", "border", "reflection"):
                for align in (False, True):
                    assert torch.autograd.gradgradcheck(
                        lambda x, grid: torch.nn.functional.grid_sample(x, grid, mode, padding, align), (x, grid)), (mode, padding)


def test_comparisons_in_place_are_recorded():
    x = leaf(3)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        x.eq_(1)
    y = x * 1
    y.ge_(0)
    assert y.requires_grad and y.grad_fn.name() == "GeBackward0"
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [0, 0, 0]


def test_out_is_of_the_right_type_and_needs_no_gradient():
    x = torch.rand(2, 2)
    with pytest.raises(RuntimeError, match="out=... arguments don't support automatic differentiation"):
        torch.exp(x, out=torch.empty(2, 2, requires_grad=True))
    for call in (torch.abs, torch.neg, torch.floor, lambda x, out: torch.mm(x, x, out=out), lambda x, out: torch.softmax(x, 0, out=out),
                 lambda x, out: torch.linalg.inv(x, out=out), lambda x, out: torch.t_copy(x, out=out)):
        with pytest.raises(RuntimeError, match="to have dtype float, but got double"):
            call(x, out=torch.empty(2, 2, dtype=D))
    assert torch.exp(x, out=torch.empty(2, 2, dtype=D)).dtype == D
    with pytest.raises(RuntimeError, match="dtype Float does not match dtype of out parameter"):
        torch.zeros(2, dtype=torch.float32, out=torch.empty(2, dtype=D))
