"""Resizing and sampling on a grid: small results by hand, invariants, gradients of both orders, layouts, errors."""

import pytest

import flambeau as torch
import flambeau.nn.functional as F

MODES = [("nearest", 1), ("nearest", 2), ("nearest", 3), ("nearest-exact", 1), ("nearest-exact", 2),
         ("nearest-exact", 3), ("linear", 1), ("bilinear", 2), ("bicubic", 2), ("trilinear", 3)]


def image(*shape):
    return torch.arange(1.0, 1.0 + torch.Size(shape).numel(), dtype=torch.float64).sin().reshape(shape)


def test_by_hand():
    x = torch.tensor([[[1.0, 2.0, 4.0]]])
    assert F.interpolate(x, 6).tolist() == [[[1, 1, 2, 2, 4, 4]]]
    assert F.interpolate(x, 2, mode="nearest").tolist() == [[[1, 2]]]
    assert F.interpolate(x, 2, mode="nearest-exact").tolist() == [[[1, 4]]]
    assert F.interpolate(x, 5, mode="linear", align_corners=True).tolist() == [[[1, 1.5, 2, 3, 4]]]
    assert F.interpolate(x, scale_factor=2, mode="linear").tolist() == [[[1, 1.25, 1.75, 2.5, 3.5, 4]]]


@pytest.mark.parametrize("mode, n", MODES)
@pytest.mark.parametrize("target", [{"size": 7}, {"scale_factor": 0.6}, {"scale_factor": 2.3}])
def test_gradients_are_transposes(mode, n, target):
    x = image(2, 3, *(5, 4, 6)[:n]).requires_grad_()
    y = F.interpolate(x, mode=mode, **target)
    g = image(*y.shape).cos().requires_grad_()
    gx, = torch.autograd.grad(y, x, g, create_graph=True)
    torch.testing.assert_close((gx * x).sum(), (y * g).sum())  # the map is linear
    again, = torch.autograd.grad(gx, g, x.detach())
    torch.testing.assert_close(again, y)
    constant = F.interpolate(torch.ones_like(x), mode=mode, **target)
    torch.testing.assert_close(constant, torch.ones_like(constant))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialias(mode):
    x = image(1, 2, 9, 8).requires_grad_()
    y = F.interpolate(x, (3, 4), mode=mode, antialias=True)
    torch.testing.assert_close(F.interpolate(torch.ones_like(x), (3, 4), mode=mode, antialias=True), torch.ones_like(y))
    gx, = torch.autograd.grad(y, x, torch.ones_like(y))
    torch.testing.assert_close((gx * x).sum(), y.sum())


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_layout_and_bytes(mode):
    x = image(2, 3, 5, 4)
    last = x.contiguous(memory_format=torch.channels_last)
    y = F.interpolate(last, (7, 3), mode=mode)
    assert y.is_contiguous(memory_format=torch.channels_last) and not y.is_contiguous()
    torch.testing.assert_close(y, F.interpolate(x, (7, 3), mode=mode), check_stride=False)
    octets = F.interpolate((x * 100 + 128).to(torch.uint8), (7, 3), mode=mode)
    assert octets.dtype == torch.uint8


def test_both_forms_agree():
    x = image(1, 2, 4, 4)
    by_list = torch._C._nn.upsample_bilinear2d(x, None, False, [1.7, 2.0])
    assert (by_list == torch._C._nn.upsample_bilinear2d(x, [6, 8], False, 1.7, 2.0)).all()


def test_resize_errors():
    x = torch.ones(1, 2, 4, 4)
    nn = torch._C._nn
    with pytest.raises(RuntimeError, match=r"greater than 0, but got input \(H: 4, W: 4\) output \(H: 0, W: 8\)"):
        nn.upsample_nearest2d(x, [0, 8], None)
    with pytest.raises(RuntimeError, match="Must specify exactly one of output_size and scale_factors"):
        nn.upsample_nearest2d(x, None, None)
    with pytest.raises(RuntimeError, match="Non-empty 4D data tensor expected"):
        nn.upsample_bicubic2d(x[:, :0], [8, 8], False, None)
    with pytest.raises(NotImplementedError, match="not implemented for 'Long'"):
        nn.upsample_nearest2d(x.long(), [8, 8], None)


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [False, True])
def test_grid_of_the_identity(n, mode, padding, align):
    if n == 3 and mode == "bicubic":
        pytest.skip("bicubic sampling is of images")
    x = image(2, 3, *(5, 4, 6)[:n])
    grid = F.affine_grid(torch.eye(n, n + 1, dtype=torch.float64).expand(2, n, n + 1), x.shape, align_corners=align)
    torch.testing.assert_close(F.grid_sample(x, grid, mode, padding, align), x)


@pytest.mark.parametrize("n, mode", [(2, "bilinear"), (2, "bicubic"), (3, "bilinear")])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_gradients(n, mode, padding):
    x = image(2, 2, *(5, 4, 3)[:n]).requires_grad_()
    grid = (image(2, *(3, 2, 2)[:n], n) * 1.2).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: F.grid_sample(a, b, mode, padding, False), (x, grid))


def test_grid_errors():
    x, grid = torch.ones(2, 3, 4, 4), torch.zeros(2, 5, 6, 2)
    for a, b, message in [(x, grid[:1], "same batch size"), (x, grid[..., :1], "to have size 2 in last dimension"),
                          (x[:, :, :0], grid, "non-empty spatial dimensions"),
                          (x, grid.double(), "expected scalar type Float but found Double")]:
        with pytest.raises(RuntimeError, match=message):
            torch.grid_sampler(a, b, 0, 0, False)
