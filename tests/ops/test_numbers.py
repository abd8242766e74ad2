"""Statistics, calculus, distances, pointwise composites."""

import math

import numpy
import pytest

import flambeau as torch

NAN, INF = float("nan"), float("inf")


def test_spread_with_mean():
    deviation, mean = torch.std_mean(torch.tensor([[1.0, 3.0], [2.0, 6.0]]), 1)
    assert mean.tolist() == [2, 4] and deviation.tolist() == pytest.approx([math.sqrt(2), math.sqrt(8)])
    assert torch.var_mean(torch.tensor([1.0, 3.0]), correction=0)[0] == 1


def test_covariance_equals_numpy():
    x = numpy.random.default_rng(0).standard_normal((3, 7))
    weights = numpy.array([1, 2, 1, 3, 1, 1, 2])
    importance = numpy.linspace(0.5, 2, 7)
    ours = torch.cov(torch.from_numpy(x), fweights=torch.from_numpy(weights), aweights=torch.from_numpy(importance))
    numpy.testing.assert_allclose(ours.numpy(), numpy.cov(x, fweights=weights, aweights=importance), rtol=1e-10)
    numpy.testing.assert_allclose(torch.corrcoef(torch.from_numpy(x)).numpy(), numpy.corrcoef(x), rtol=1e-10)


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles_equal_numpy(interpolation):
    x = numpy.random.default_rng(1).standard_normal((4, 9))
    q = numpy.array([0.0, 0.3, 0.5, 1.0])
    ours = torch.quantile(torch.from_numpy(x), torch.from_numpy(q), dim=1, interpolation=interpolation)
    numpy.testing.assert_allclose(ours.numpy(), numpy.quantile(x, q, axis=1, method=interpolation))


def test_quantiles_and_nan():
    x = torch.tensor([1.0, NAN, 3.0])
    assert torch.quantile(x, 0.5).isnan()
    assert torch.nanquantile(x, 0.5) == 2 and torch.nanmean(x) == 2 and torch.nansum(x) == 4
    with pytest.raises(RuntimeError, match="range"):
        torch.quantile(x, 1.5)


def test_histograms():
    counts, edges = torch.histogram(torch.tensor([0.0, 1.0, 1.0, 4.0]), 4, range=(0.0, 4.0))
    assert counts.tolist() == [1, 2, 0, 1] and edges.tolist() == [0, 1, 2, 3, 4]
    points = torch.tensor([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    counts, edges = torch.histogramdd(points, [2, 2], weight=torch.tensor([1.0, 2.0, 4.0]))
    assert counts.tolist() == [[1, 0], [4, 2]] and len(edges) == 2


def test_differences_and_integrals():
    x = torch.tensor([1.0, 4.0, 9.0, 16.0])
    assert torch.diff(x, 2).tolist() == [2, 2]
    assert torch.gradient(x, spacing=0.5)[0].tolist() == [6, 8, 12, 14]
    assert torch.gradient(x, edge_order=2)[0].tolist() == [2, 4, 6, 8]
    assert torch.trapezoid(x, dx=2) == 43 and torch.cumulative_trapezoid(x).tolist() == [2.5, 9, 21.5]
    assert torch.trapz(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0])) == 6


def test_distances():
    a, b = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 0.0]])
    for p, far in ((2.0, 5), (1.0, 7), (INF, 4), (0.0, 2)):
        assert torch.cdist(a, b, p).tolist() == [[0], [far]]
    many = torch.arange(60.0).reshape(30, 2)
    direct = (many.unsqueeze(1) - many.unsqueeze(0)).square().sum(-1).sqrt()
    assert torch.allclose(torch.cdist(many, many), direct, atol=1e-2)
    assert torch.pdist(torch.tensor([[0.0], [1.0], [3.0]])).tolist() == [1, 3, 2]
    assert torch.dist(torch.tensor([0.0]), torch.tensor([2.0])) == 2
    assert torch.norm(torch.tensor([[3.0, 4.0]]), dim=1).tolist() == [5]
    assert torch.allclose(torch.renorm(torch.tensor([[3.0, 4.0]]), 2, 0, 1.0), torch.tensor([[0.6, 0.8]]))


def test_closeness():
    a = torch.tensor([1.0, INF, NAN])
    assert torch.isclose(a, a).tolist() == [True, True, False]
    assert torch.isclose(a, a, equal_nan=True).all() and not torch.allclose(a, a)
    assert torch.allclose(torch.tensor([10.0]), torch.tensor([10.00005]))


def test_powers_of_two():
    x = torch.tensor([8.0, -0.75, 0.0, 1e-40, INF])
    mantissa, exponent = torch.frexp(x)
    assert exponent[:3].tolist() == [4, 0, 0]
    assert torch.equal(torch.ldexp(mantissa[:4], exponent[:4]), x[:4]) and exponent.dtype == torch.int32
    assert torch.float_power(torch.tensor([2]), 3).dtype == torch.float64


def test_complex_parts():
    z = torch.polar(torch.tensor([2.0]), torch.tensor([math.pi / 2]))
    assert abs(z.item() - 2j) < 1e-6
    with pytest.raises(RuntimeError, match="Expected both inputs to be Half, Float or Double"):
        torch.complex(torch.tensor([1]), torch.tensor([1]))


def test_copies_do_not_share_memory():
    x = torch.zeros(2, 2)
    torch.transpose_copy(x, 0, 1).fill_(1)
    torch.split_copy(x, 1)[0].fill_(1)
    assert not x.any()
