"""Random streams: after manual_seed(42) every draw gives the numbers that PyTorch 2.13 gives; states, generators, errors."""

import math

import pytest

import flambeau as torch

NUMBERS = [
    (lambda: torch.rand(4), [0.8822692632675171, 0.9150039553642273, 0.38286375999450684, 0.9593056440353394]),
    (lambda: torch.rand(3, dtype=torch.float64), [0.05815448596142969, 0.06291016742457756, 0.12358607277440903]),
    (lambda: torch.randn(5), [0.33669036626815796, 0.12880940735340118, 0.23446236550807953, 0.23033303022384644,
                              -1.1228563785552979]),
    (lambda: torch.randn(18), [1.9269152879714966, 1.4872840642929077, -0.4973975419998169, 0.439589262008667,
                               -0.7581311464309692, 1.078317642211914, 0.8008005619049072, 1.680620551109314,
                               0.3558599054813385, -0.6866229772567749, 0.610466480255127, 1.334737777709961,
                               -0.2316243201494217, 0.041759490966796875, -0.2515752911567688, 0.859858512878418,
                               -0.3097267746925354, -0.3957104980945587]),
    (lambda: torch.randn(3, dtype=torch.float64), [0.33669035438385886, 0.1288094051365897, 0.23446236336153173]),
    (lambda: torch.randint(0, 100, (8,)), [42, 67, 76, 14, 26, 35, 20, 24]),
    (lambda: torch.randint(0, 2**40, (3,)), [441507790259, 395924837646, 458615280711]),
    (lambda: torch.randperm(8), [6, 3, 0, 7, 2, 1, 4, 5]),
    (lambda: torch.empty(8).bernoulli_(0.3), [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
    (lambda: torch.bernoulli(torch.full((8,), 0.3)), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
    (lambda: torch.dropout(torch.ones(8), 0.25, True), [1.3333333730697632] * 6 + [0.0, 0.0]),
    (lambda: torch.empty(2, 3).normal_(1, 2), [[1.673380732536316, 1.25761878490448, 1.4689247608184814],
                                               [1.4606660604476929, -1.2457127571105957, 0.6273434162139893]]),
    (lambda: torch.empty(3, 2).t().normal_(1, 2), [[1.673380732536316, 1.4689247608184814, -1.2457127571105957],
                                                   [1.25761878490448, 1.4606660604476929, 0.6273434162139893]]),
    (lambda: torch.empty(3).exponential_(2), [0.029957007616758347, 0.03248806297779083, 0.06595838814973831]),
    (lambda: torch.empty(4).geometric_(0.3), [8.0, 8.0, 6.0, 9.0]),
    (lambda: torch.empty(3).cauchy_(), [-5.412487506866455, -4.993700981140137, -2.4448742866516113]),
    (lambda: torch.empty(3).log_normal_(), [5.330157279968262, 3.5170366764068604, 4.3445611000061035]),
    (lambda: torch.empty(3).uniform_(-1, 1), [0.7645385265350342, 0.8300079107284546, -0.23427248001098633]),
    (lambda: torch.empty(3, dtype=torch.uint8).random_(), [102, 179, 92]),
    (lambda: torch.empty(3).random_(5, 50), [47.0, 37.0, 21.0]),
    (lambda: torch.multinomial(torch.tensor([0.1, 0.2, 0.3, 0.4]), 3), [3, 1, 2]),
    (lambda: torch.multinomial(torch.tensor([0.1, 0.2, 0.3, 0.4]), 5, True), [0, 0, 1, 0, 2]),
    (lambda: torch.poisson(torch.tensor([1.0, 5.0, 20.0])), [0.0, 2.0, 20.0]),
    (lambda: torch.binomial(torch.tensor([10.0, 100.0]), torch.tensor([0.3, 0.5])), [1.0, 43.0]),
    (lambda: torch._standard_gamma(torch.tensor([0.5, 2.0, 9.0])),
     [1.558805227279663, 1.9352699518203735, 3.245260000228882]),
    (lambda: torch._sample_dirichlet(torch.tensor([1.0, 2.0, 3.0])),
     [0.24279317259788513, 0.4549908936023712, 0.30221593379974365]),
    (lambda: torch.normal(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.1, 0.2, 0.3])),
     [1.0336689949035645, 2.025761842727661, 3.070338726043701]),
    (lambda: torch.rrelu(torch.tensor([-1.0, 2.0, -3.0]), 0.1, 0.3, True),
     [-0.11163090169429779, 2.0, -0.33774611353874207]),
    (lambda: torch.alpha_dropout(torch.ones(4), 0.5, True), [1.6655988693237305] * 4),
]


@pytest.mark.parametrize("case", range(len(NUMBERS)))
def test_numbers(case):
    draw, expected = NUMBERS[case]
    torch.manual_seed(42)
    assert draw().tolist() == expected


def test_state_and_generators():
    torch.manual_seed(7)
    torch.randn(5)
    state = torch.get_rng_state()
    first = torch.rand(4)
    torch.set_rng_state(state)
    assert torch.equal(first, torch.rand(4))
    one, two = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    before = torch.get_rng_state()
    assert torch.equal(torch.randn(20, generator=one), torch.randn(20, generator=two))
    assert torch.equal(torch.randperm(9, generator=one), torch.randperm(9, generator=two))
    assert torch.equal(torch.empty(3).normal_(generator=one), torch.empty(3).normal_(generator=two))
    assert torch.equal(torch.get_rng_state(), before)
    two.set_state(one.get_state())
    assert torch.rand(1, generator=one).item() == torch.rand(1, generator=two).item()


def test_destinations():
    torch.manual_seed(1)
    plain = torch.rand(3, 4)
    torch.manual_seed(1)
    assert torch.equal(torch.empty(4, 3).t().uniform_(), plain.reshape(4, 3).t())  # by memory, not by index
    torch.manual_seed(1)
    assert torch.equal(torch.empty(3, 8)[:, ::2].uniform_(), plain)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3, 4, out=torch.empty(0)), plain)
    x = torch.zeros(3)
    version = x._version
    x.normal_()
    assert x._version == version + 1
    assert torch.rand_like(torch.zeros(2, 3).t()).stride() == (1, 3)
    assert torch.rand(2, requires_grad=True).requires_grad
    assert torch.randint(5, (2, 3)).dtype == torch.int64
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        torch.ones(1).expand(3).normal_()


def test_dropout_gradient_is_the_mask():
    x = torch.ones(200, requires_grad=True)
    y = torch.dropout(x, 0.4, True)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    out, mask = torch.native_dropout(x, 0.4, True)
    assert torch.equal(out.detach() != 0, mask)
    x.grad = None
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())
    assert torch.dropout(x, 0.4, False) is x
    channels = torch.feature_dropout(torch.ones(2, 30, 4), 0.5, True)
    assert bool(((channels == 0) | (channels == 2)).all()) and bool((channels == channels[..., :1]).all())


def test_gamma_gradient():
    x = torch.tensor([0.3, 2.0, 50.0, 3e5], dtype=torch.float64, requires_grad=True)
    torch.manual_seed(0)
    sample = torch._standard_gamma(x)
    sample.sum().backward()
    for a, s, slope in zip(x.tolist(), sample.tolist(), x.grad.tolist()):
        assert math.isfinite(slope) and slope > 0
        if a > 1e5:  # the deviation grows with the root
            assert abs(slope - (1 + (s - a) / (2 * a))) < 1e-4


def test_random_gradients_are_zero():
    x = torch.full((3,), 0.5, requires_grad=True)
    for y in (torch.bernoulli(x), torch.normal(x, 1.0), torch.poisson(x), (x * 1).uniform_()):
        x.grad = None
        y.sum().backward()
        assert x.grad.tolist() == [0, 0, 0]


ERRORS = [
    (lambda: torch.rand(2, dtype=torch.int64), NotImplementedError, "not implemented for 'Long'"),
    (lambda: torch.randint(5, 2, (2,)), RuntimeError, "random_ expects 'from' to be less than 'to', but got from=5 >= to=2"),
    (lambda: torch.randint(0, 300, (2,), dtype=torch.uint8), RuntimeError, "to - 1 is out of bounds for unsigned char"),
    (lambda: torch.randperm(-1), RuntimeError, "negative dimension"),
    (lambda: torch.empty(3).uniform_(2, 1), RuntimeError, r"uniform_ expects to return a \[from, to\) range"),
    (lambda: torch.empty(3).normal_(0, -1), RuntimeError, "normal expects std >= 0.0, but found std -1"),
    (lambda: torch.normal(0.0, torch.tensor([-1.0])), RuntimeError, "all elements of std >= 0.0"),
    (lambda: torch.empty(3).bernoulli_(2), RuntimeError, r"expects p to be in \[0, 1\], but got p=2"),
    (lambda: torch.empty(3).exponential_(0), RuntimeError, "lambda > 0.0"),
    (lambda: torch.empty(3).geometric_(1), RuntimeError, r"geometric_ expects p to be in \(0, 1\)"),
    (lambda: torch.dropout(torch.ones(2), 1.5, True), RuntimeError, "between 0 and 1, but got 1.5"),
    (lambda: torch.multinomial(torch.ones(3), 4), RuntimeError, "without replacement"),
    (lambda: torch.multinomial(torch.zeros(2), 1), RuntimeError, "sum of probabilities <= 0"),
    (lambda: torch.multinomial(torch.tensor([-1.0, 1.0]), 1), RuntimeError, "element < 0"),
    (lambda: torch.poisson(torch.tensor([-1.0])), RuntimeError, "expected rate to be non-negative"),
    (lambda: torch.rand(2, generator=3), TypeError, "Generator"),
]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        call()
