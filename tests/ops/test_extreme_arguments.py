"""Arguments that would take forever, or all memory, are answered at once."""
from __future__ import annotations

import math

import pytest

import flambeau as torch


@pytest.mark.parametrize("pieces", [2**31, 2**40, 2**63 - 1])
def test_splits_into_more_than_memory_holds(pieces):
    x = torch.ones(0, 3)
    for split in (torch.chunk, torch.tensor_split, torch.unsafe_chunk):
        with pytest.raises(RuntimeError, match="not enough memory"):
            split(x, pieces)
    assert len(torch.ones(5).chunk(pieces)) == 5
    assert len(torch.chunk(x, 1000)) == 1000


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_rejection_samplers_end(bad):
    assert torch.binomial(torch.full((2,), bad), torch.full((2,), 0.5)).isnan().all()
    assert not torch._standard_gamma(torch.full((2,), bad)).isfinite().any()
    with pytest.raises(ValueError, match="finite"):
        torch.nn.init.trunc_normal_(torch.empty(3), bad)


@pytest.mark.parametrize("x", [0.5, -0.3, 1e-3, 1.0000001, -2.0])
@pytest.mark.parametrize("degree", [2e7, 2.0**31, 2.0**40])
def test_polynomials_of_huge_degree_end(x, degree):
    at, n = torch.tensor([x], dtype=torch.float64), torch.tensor([degree], dtype=torch.float64)
    for name in ("legendre_polynomial_p", "chebyshev_polynomial_t", "chebyshev_polynomial_w", "hermite_polynomial_h"):
        value = getattr(torch.special, name)(at, n).item()
        assert not (abs(x) < 1 and name.startswith(("leg", "cheb"))) or math.isfinite(value)
    assert torch.special.laguerre_polynomial_l(at, n * 10).shape == (1,)


def test_the_limits_continue_the_recurrences():
    """On both sides of the degree where the asymptotic form takes over, P_n and L_n satisfy one recurrence."""
    x = 0.3
    at = torch.tensor([x], dtype=torch.float64)

    def legendre(n):
        return torch.special.legendre_polynomial_p(at, torch.tensor([float(n)], dtype=torch.float64)).item()
    n = 10_000_000
    a, b, c = legendre(n - 1), legendre(n), legendre(n + 1)  # the last is the asymptotic form's
    assert abs((n + 1) * c - ((2 * n + 1) * x * b - n * a)) / n < 1e-9


@pytest.mark.parametrize("name", ["numel", "is_signed", "is_nonzero", "is_inference", "is_floating_point", "is_complex"])
def test_questions_about_other_things_than_tensors(name):
    for wrong in (3, "a", None, [1.0]):
        with pytest.raises(TypeError, match=f"{name}.*must be Tensor, not"):
            getattr(torch, name)(wrong)
    with pytest.raises(TypeError, match="must be Tensor, not str"):
        torch.is_same_size(torch.ones(2), "a")
    with pytest.raises(TypeError, match="must be Tensor, not int"):
        torch.fill(3, 3)
