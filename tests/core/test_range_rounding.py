"""arange and linspace round as PyTorch does, to the last bit: identity maps of affine_grid fall between the same pixels."""
import numpy
import pytest

import flambeau as torch


def fused(x, y, z):
    """x y + z of float32 numbers, rounded once."""
    return numpy.float32(numpy.float64(x) * numpy.float64(y) + numpy.float64(z))


@pytest.mark.parametrize("start, end", [(-1, 1), (0, 10), (-3.14159, 3.14159)])
@pytest.mark.parametrize("steps", [7, 28, 100])
def test_linspace_counts_from_both_ends(start, end, steps):
    a, b = numpy.float32(start), numpy.float32(end)
    step = (b - a) / numpy.float32(steps - 1)
    expected = [fused(step, i, a) if i < steps // 2 else fused(-step, steps - 1 - i, b) for i in range(steps)]
    assert torch.linspace(start, end, steps).tolist() == numpy.array(expected).tolist()


@pytest.mark.parametrize("start, end, step", [(-1, 1, 0.1), (0.1, 30, 0.1), (-3.14159, 3.14159, 0.01)])
def test_arange_counts_from_every_eighth(start, end, step):
    got = torch.arange(start, end, step).tolist()
    grouped = len(got) // 16 * 16
    expected = [numpy.float32(numpy.float32(start + (i - i % 8) * step) + numpy.float64(i % 8) * step)
                if i < grouped else numpy.float32(start + i * step) for i in range(len(got))]
    assert got == numpy.array(expected, dtype=numpy.float32).tolist()


def test_identity_grid():
    grid = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 1, 28, 28), align_corners=False)
    line = torch.linspace(-1, 1, 28) * 27 / 28
    assert torch.equal(grid[0, 0, :, 0], line) and torch.equal(grid[0, :, 0, 1], line)
