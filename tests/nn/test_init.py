"""torch.nn.init: the values under a seed, and the errors."""
import flambeau as torch
import pytest
from flambeau.nn import init

SEEDED = {
    "uniform_": [
        0.496257,
        0.768222,
        0.088477,
        0.13203,
        0.307423,
        0.634079,
        0.490093,
        0.896445,
        0.455628,
        0.632306,
        0.348893,
        0.401717,
    ],
    "normal_": [
        1.540996,
        -0.293429,
        -2.178789,
        0.568431,
        -1.084522,
        -1.398595,
        0.403347,
        0.838026,
        -0.719258,
        -0.403344,
        -0.596635,
        0.182036,
    ],
    "trunc_normal_": [
        1.540996,
        -0.293429,
        -1.071187,
        0.568431,
        -1.084522,
        -1.398595,
        0.403347,
        0.838026,
        -0.719258,
        -0.403344,
        -0.596635,
        0.182036,
    ],
    "xavier_uniform_": [
        -0.006931,
        0.49665,
        -0.761992,
        -0.681347,
        -0.356584,
        0.248265,
        -0.018343,
        0.734073,
        -0.082161,
        0.244984,
        -0.279795,
        -0.181984,
    ],
    "xavier_normal_": [
        0.823697,
        -0.156844,
        -1.164612,
        0.303839,
        -0.579702,
        -0.747581,
        0.215598,
        0.447944,
        -0.384459,
        -0.215596,
        -0.318915,
        0.097303,
    ],
    "kaiming_uniform_": [
        -0.009169,
        0.657007,
        -1.00802,
        -0.901338,
        -0.471716,
        0.328424,
        -0.024266,
        0.971087,
        -0.108689,
        0.324083,
        -0.370134,
        -0.240742,
    ],
    "kaiming_normal_": [
        1.089649,
        -0.207486,
        -1.540637,
        0.401942,
        -0.766873,
        -0.988956,
        0.285209,
        0.592574,
        -0.508592,
        -0.285207,
        -0.421885,
        0.128719,
    ],
    "orthogonal_": [
        0.561533,
        -0.106924,
        -0.793942,
        0.207134,
        -0.390598,
        -0.7681,
        -0.040868,
        0.505752,
        -0.713839,
        0.211009,
        -0.606302,
        -0.279834,
    ],
    "sparse_": [0.0, -0.002934, 0.0, 0.0, -0.010845, 0.0, 0.0, 0.0, 0.0, 0.0, -0.005966, 0.00182],
}


@pytest.mark.parametrize("name", SEEDED)
def test_seeded(name):
    torch.manual_seed(0)
    t = torch.empty(3, 4)
    args = (0.5,) if name == "sparse_" else ()
    assert getattr(init, name)(t, *args) is t
    assert t.flatten().tolist() == pytest.approx(SEEDED[name], abs=3e-6)


def test_narrow_trunc_normal():
    torch.manual_seed(0)
    t = init.trunc_normal_(torch.empty(12), a=1, b=1.5)
    assert t.tolist() == pytest.approx([1.248128, 1.384111, 1.044239, 1.066015, 1.153711, 1.186709, 1.245047, 1.448222,
                                        1.227814, 1.134917, 1.174447, 1.01586], abs=3e-6)


def test_fills():
    assert init.eye_(torch.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    w = init.dirac_(torch.empty(4, 2, 3), groups=2)
    x = torch.arange(20.0).view(1, 4, 5)
    assert torch.equal(torch.nn.functional.conv1d(x, w, padding=1, groups=2), x)
    q = init.orthogonal_(torch.empty(3, 5), gain=2)
    assert torch.allclose(q @ q.T, 4 * torch.eye(3), atol=1e-5)
    assert init.calculate_gain("leaky_relu", 3**0.5) == pytest.approx(0.5**0.5)


def test_no_graph_is_recorded():
    p = torch.nn.Parameter(torch.empty(2, 2))
    init.xavier_uniform_(p)
    assert p.is_leaf and p.requires_grad


@pytest.mark.parametrize("call, text", [
    (lambda: init.xavier_normal_(torch.empty(3)), "fewer than 2 dimensions"),
    (lambda: init.eye_(torch.empty(3)), "Only tensors with 2 dimensions"),
    (lambda: init.kaiming_normal_(torch.empty(2, 2), mode="x"), "Mode x not supported"),
    (lambda: init.calculate_gain("x"), "Unsupported nonlinearity x"),
])
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_old_names_warn():
    with pytest.warns(FutureWarning, match="deprecated in favor of"):
        init.constant(torch.empty(1), 1.0)
