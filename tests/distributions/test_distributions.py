"""Distributions: densities, moments, streams of draws, shapes, errors, divergences, transformations."""
import math

import pytest

import flambeau as torch
from flambeau import distributions as D


def close(a, b, tol=1e-4):
    a, b = torch.as_tensor(a, dtype=torch.float64), torch.as_tensor(b, dtype=torch.float64)
    assert torch.allclose(a, b, atol=tol), (a, b)


@pytest.mark.parametrize("make, value, log_prob", [
    (lambda: D.Normal(0.0, 2.0), 1.0, -0.5 * 0.25 - math.log(2.0) - 0.5 * math.log(2 * math.pi)),
    (lambda: D.Laplace(0.0, 1.0), 1.0, -1.0 - math.log(2.0)),
    (lambda: D.Cauchy(0.0, 1.0), 1.0, -math.log(2 * math.pi)),
    (lambda: D.Uniform(0.0, 4.0), 1.0, -math.log(4.0)),
    (lambda: D.Exponential(2.0), 1.0, math.log(2.0) - 2.0),
    (lambda: D.Gamma(2.0, 1.0), 1.0, -1.0),
    (lambda: D.Beta(2.0, 1.0), 0.5, 0.0),
    (lambda: D.Poisson(2.0), 1.0, math.log(2.0) - 2.0),
    (lambda: D.Geometric(torch.tensor(0.5)), 1.0, 2 * math.log(0.5)),
    (lambda: D.Binomial(2, torch.tensor(0.5)), 1.0, math.log(0.5)),
    (lambda: D.Bernoulli(0.25), 1.0, math.log(0.25)),
    (lambda: D.LogNormal(0.0, 1.0), 1.0, -0.5 * math.log(2 * math.pi)),
    (lambda: D.Pareto(1.0, 2.0), 2.0, math.log(2.0) - 3 * math.log(2.0)),
    (lambda: D.Gumbel(0.0, 1.0), 0.0, -1.0),
    (lambda: D.HalfNormal(1.0), 0.0, math.log(2) - 0.5 * math.log(2 * math.pi)),
    (lambda: D.StudentT(1.0), 0.0, -math.log(math.pi)),
    (lambda: D.Weibull(1.0, 1.0), 2.0, -2.0),
])
def test_log_prob(make, value, log_prob):
    close(make().log_prob(torch.tensor(value)), log_prob)


def test_streams_follow_the_seed():
    torch.manual_seed(0)
    assert torch.allclose(D.Normal(torch.zeros(2), torch.ones(2)).sample(), torch.tensor([1.5410, -0.2934]), atol=1e-4)
    torch.manual_seed(0)
    assert torch.allclose(D.Uniform(0.0, 1.0).sample((2,)), torch.tensor([0.4963, 0.7682]), atol=1e-4)
    torch.manual_seed(0)
    first = D.Categorical(torch.ones(4)).sample((5,))
    torch.manual_seed(0)
    assert first.tolist() == D.Categorical(torch.ones(4)).sample((5,)).tolist()


ALL = [
    lambda: D.Normal(torch.zeros(3), torch.ones(3)), lambda: D.Beta(torch.ones(3) * 2, torch.ones(3)),
    lambda: D.Gamma(torch.ones(3), torch.ones(3)), lambda: D.Dirichlet(torch.ones(2, 3)),
    lambda: D.Categorical(torch.ones(3, 4)), lambda: D.OneHotCategorical(torch.ones(3, 4)),
    lambda: D.MultivariateNormal(torch.zeros(3, 2), torch.eye(2)), lambda: D.LKJCholesky(3, torch.ones(3)),
    lambda: D.LowRankMultivariateNormal(torch.zeros(3, 2), torch.ones(2, 1), torch.ones(2)),
    lambda: D.Wishart(torch.tensor([4.0, 5.0, 6.0]), torch.eye(3)), lambda: D.VonMises(torch.zeros(3), torch.ones(3)),
    lambda: D.Kumaraswamy(torch.ones(3), torch.ones(3)), lambda: D.Multinomial(4, torch.ones(3, 2)),
    lambda: D.NegativeBinomial(3.0, torch.rand(3)), lambda: D.RelaxedBernoulli(torch.tensor(1.0), torch.rand(3)),
    lambda: D.ContinuousBernoulli(torch.rand(3)), lambda: D.LogisticNormal(torch.zeros(3, 2), torch.ones(3, 2)),
    lambda: D.FisherSnedecor(torch.ones(3) * 3, torch.ones(3) * 5),
    lambda: D.InverseGamma(torch.ones(3), torch.ones(3)),
    lambda: D.GeneralizedPareto(torch.zeros(3), torch.ones(3), torch.tensor([-0.2, 0.0, 0.2])),
    lambda: D.MixtureSameFamily(D.Categorical(torch.ones(3, 2)), D.Normal(torch.zeros(3, 2), torch.ones(2))),
    lambda: D.Independent(D.Normal(torch.zeros(3, 2), torch.ones(2)), 1),
]


@pytest.mark.parametrize("make", ALL)
def test_shapes_support_and_expand(make):
    torch.manual_seed(1)
    d = make()
    x = d.sample((5,))
    assert x.shape == torch.Size((5,)) + d.batch_shape + d.event_shape
    assert d.log_prob(x).shape == torch.Size((5,)) + d.batch_shape
    assert d.support.check(x).all()
    e = d.expand((4,) + tuple(d.batch_shape))
    assert e.batch_shape == (4,) + tuple(d.batch_shape) and e.event_shape == d.event_shape
    assert torch.allclose(e.log_prob(x[:4]), d.log_prob(x[:4]), atol=1e-5)
    assert type(e) is type(d) and isinstance(repr(e), str)


@pytest.mark.parametrize("d", [D.Normal(0.5, 2.0), D.Laplace(0.5, 2.0), D.Cauchy(0.5, 2.0), D.Uniform(0.5, 2.0),
                               D.Exponential(0.5), D.HalfNormal(2.0), D.Gumbel(0.5, 2.0), D.Pareto(1.0, 3.0),
                               D.Weibull(1.0, 2.0), D.Kumaraswamy(2.0, 3.0), D.LogNormal(0.0, 0.5)])
def test_cdf_and_icdf_are_inverse(d):
    p = torch.tensor([0.1, 0.5, 0.9])
    close(d.cdf(d.icdf(p)), p)


@pytest.mark.parametrize("d, mean, variance", [
    (D.Gamma(3.0, 2.0), 1.5, 0.75), (D.Beta(2.0, 3.0), 0.4, 0.04), (D.Poisson(3.0), 3.0, 3.0),
    (D.Weibull(2.0, 1.0), 2.0, 4.0), (D.Chi2(3.0), 3.0, 6.0), (D.StudentT(4.0, 1.0), 1.0, 2.0),
    (D.Kumaraswamy(1.0, 1.0), 0.5, 1 / 12), (D.HalfNormal(1.0), math.sqrt(2 / math.pi), 1 - 2 / math.pi),
    (D.Gumbel(0.0, 1.0), 0.5772157, math.pi ** 2 / 6), (D.Geometric(0.25), 3.0, 12.0)])
def test_moments(d, mean, variance):
    close(d.mean, mean)
    close(d.variance, variance)


def test_rsample_carries_gradients():
    torch.manual_seed(0)
    loc, scale = torch.zeros(2, requires_grad=True), torch.ones(2, requires_grad=True)
    D.Normal(loc, scale).rsample((100,)).sum().backward()
    assert loc.grad.tolist() == [100.0, 100.0] and scale.grad is not None
    c = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    D.Dirichlet(c).rsample().pow(2).sum().backward()
    assert abs(c.grad.sum().item()) < 10 and (c.grad != 0).all()
    assert not D.Normal(loc, scale).sample().requires_grad


def test_errors():
    with pytest.raises(ValueError, match=r"Expected parameter scale \(Tensor of shape \(\)\) of distribution "
                                         r"Normal\(loc: 0.0, scale: -1.0\) to satisfy the constraint "
                                         r"GreaterThan\(lower_bound=0.0\)"):
        D.Normal(0.0, -1.0)
    with pytest.raises(ValueError, match="within the support"):
        D.Exponential(1.0).log_prob(torch.tensor(-1.0))
    with pytest.raises(ValueError, match="not broadcastable with batch_shape"):
        D.Normal(torch.zeros(3), 1.0).log_prob(torch.zeros(2))
    with pytest.raises(ValueError, match="Either `probs` or `logits` must be specified, but not both"):
        D.Bernoulli()
    with pytest.raises(NotImplementedError):
        D.kl_divergence(D.Normal(0.0, 1.0), D.Cauchy(0.0, 1.0))
    D.Normal(0.0, -1.0, validate_args=False)


def test_repr():
    assert repr(D.Normal(0.0, 1.0)) == "Normal(loc: 0.0, scale: 1.0)"
    assert repr(D.Normal(torch.zeros(3), 1.0)) == "Normal(loc: torch.Size([3]), scale: torch.Size([3]))"
    assert repr(D.Independent(D.Categorical(torch.ones(2, 3)), 1)) == \
        "Independent(Categorical(probs: torch.Size([2, 3])), 1)"


def test_kl():
    close(D.kl_divergence(D.Normal(0.0, 1.0), D.Normal(1.0, 2.0)), 0.5 * (0.25 + 0.25 - 1 - math.log(0.25)))
    close(D.kl_divergence(D.Bernoulli(0.5), D.Bernoulli(0.25)), 0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert D.kl_divergence(D.Normal(0.0, 1.0), D.Exponential(1.0)).item() == math.inf
    p = D.MultivariateNormal(torch.zeros(2), torch.eye(2))
    close(D.kl_divergence(p, D.MultivariateNormal(torch.ones(2), torch.eye(2))), 1.0)

    class Own(D.Normal):
        pass

    @D.register_kl(Own, D.Normal)
    def own(p, q):
        return torch.tensor(7.0)

    assert D.kl_divergence(Own(0.0, 1.0), D.Normal(0.0, 1.0)).item() == 7.0


TRANSFORMS = [D.ExpTransform(), D.SigmoidTransform(), D.TanhTransform(), D.SoftplusTransform(),
              D.AffineTransform(1.0, -2.0), D.StickBreakingTransform(), D.CorrCholeskyTransform(),
              D.ComposeTransform([D.AffineTransform(0.5, 2.0), D.ExpTransform()])]


@pytest.mark.parametrize("t", TRANSFORMS, ids=lambda t: type(t).__name__)
def test_transforms(t):
    x = torch.tensor([0.3, -0.2, 0.9], dtype=torch.float64)
    y = t(x)
    close(t.inv(y), x, 1e-8)
    assert t.inv.inv is t and t.codomain.check(y).all()
    if t.domain.event_dim == 0:
        jacobian = torch.autograd.functional.jacobian(t, x).diagonal()
        close(t.log_abs_det_jacobian(x, y), jacobian.abs().log(), 1e-8)


@pytest.mark.parametrize("name", ["real", "positive", "unit_interval", "simplex", "corr_cholesky", "lower_cholesky",
                                  "positive_definite"])
def test_transform_to_reaches_the_region(name):
    constraint = getattr(D.constraints, name)
    shape = (4, 3, 3) if constraint.event_dim == 2 and name != "corr_cholesky" else (4, 3)
    torch.manual_seed(0)
    assert constraint.check(D.transform_to(constraint)(torch.randn(shape, dtype=torch.float64))).all()
