"""Every kind of layer: initial values under a seed, and the output of one call, against numbers from PyTorch 2.13."""
import copy
import pickle

import flambeau as torch
import pytest
from flambeau import nn

X = torch.linspace(-1, 1, 6).view(2, 3)
IMAGE = torch.linspace(-1, 1, 32).view(1, 2, 4, 4)
SEQUENCE = torch.linspace(-1, 1, 24).view(4, 2, 3)
ROWS = IMAGE.view(2, 4, 4)
INPUTS = {
    "Bilinear": (X, X), "Conv1d": (IMAGE[0].flatten(1),), "Embedding": (torch.tensor([3, 0]),),
    "EmbeddingBag": (torch.tensor([[3, 0], [1, 1]]),), "LSTM": (SEQUENCE,), "GRU": (SEQUENCE,), "RNN": (SEQUENCE,),
    "TransformerEncoderLayer": (ROWS,), "TransformerDecoder": (ROWS, ROWS),
    **dict.fromkeys(("Conv2d", "ConvTranspose2d", "InstanceNorm2d", "GroupNorm", "LocalResponseNorm",
                     "FractionalMaxPool2d", "LPPool2d", "Upsample"), (IMAGE,)),
}

# layer, its first four parameter values, the sum of all, the first six values of the output
CASES = [
    (
        "Linear(3, 2)",
        [-0.004323, 0.309716, -0.475185, -0.424895],
        -0.215899,
        [-0.097909, 0.985127, -0.301659, 0.394195],
    ),
    (
        "Bilinear(3, 3, 2)",
        [-0.004323, 0.309716, -0.475185, -0.424895],
        -1.621034,
        [-0.570755, -0.677658, -0.266461, -0.14793],
    ),
    (
        "Conv1d(2, 2, 3)",
        [-0.003056, 0.219002, -0.336007, -0.300446],
        -0.944886,
        [-0.306436, -0.336647, -0.366858, -0.397069, -0.42728, -0.457491],
    ),
    (
        "Conv2d(2, 3, 3, padding=1)",
        [-0.001765, 0.126441, -0.193994, -0.173462],
        -0.562373,
        [0.128, 0.307923, 0.290192, 0.259885, 0.207155, 0.277085],
    ),
    (
        "Conv2d(2, 2, 2, padding='same', padding_mode='reflect')",
        [-0.002647, 0.189661, -0.29099, -0.260194],
        -0.599029,
        [0.45937, 0.450841, 0.442311, 0.394477, 0.425251, 0.416722],
    ),
    (
        "ConvTranspose2d(2, 2, 2, stride=2)",
        [-0.002647, 0.189661, -0.29099, -0.260194],
        -0.599029,
        [0.141407, -0.046871, 0.139212, -0.028599, 0.137017, -0.010327],
    ),
    (
        "Embedding(4, 3)",
        [1.540996, -0.293429, -2.178789, 0.568431],
        -3.141736,
        [-0.403344, -0.596635, 0.182036, 1.540996, -0.293429, -2.178789],
    ),
    (
        "EmbeddingBag(4, 3)",
        [1.540996, -0.293429, -2.178789, 0.568431],
        -3.141736,
        [0.568826, -0.445032, -0.998376, 0.568431, -1.084522, -1.398595],
    ),
    (
        "LSTM(3, 2, num_layers=2)",
        [-0.005294, 0.379323, -0.581981, -0.520387],
        -0.982339,
        [0.145101, 0.078923, 0.140647, 0.082464, 0.180624, 0.121489],
    ),
    (
        "GRU(3, 2, bidirectional=True)",
        [-0.005294, 0.379323, -0.581981, -0.520387],
        -0.835167,
        [0.448927, -0.429081, 0.306566, -0.007583, 0.278049, -0.422177],
    ),
    (
        "RNN(3, 2, nonlinearity='relu')",
        [-0.005294, 0.379323, -0.581981, -0.520387],
        -1.636591,
        [0.0, 0.005114, 0.0, 0.0, 0.0, 0.0],
    ),
    (
        "LSTM(3, 4, proj_size=2)",
        [-0.003743, 0.268222, -0.411523, -0.36797],
        -1.642586,
        [0.079468, 0.02973, 0.048756, 0.0232, 0.079439, 0.032554],
    ),
    (
        "LSTMCell(3, 2)",
        [-0.005294, 0.379323, -0.581981, -0.520387],
        -1.818885,
        [0.213574, -0.096698, -0.177179, 0.077323],
    ),
    (
        "GRUCell(3, 2)",
        [-0.005294, 0.379323, -0.581981, -0.520387],
        -2.513567,
        [0.297806, -0.427776, -0.389016, -0.180948],
    ),
    (
        "RNNCell(3, 2)",
        [-0.005294, 0.379323, -0.581981, -0.520387],
        -1.636591,
        [-0.759543, 0.038555, -0.846784, -0.594867],
    ),
    (
        "TransformerEncoderLayer(4, 2, 8, dropout=0.0)",
        [0.222424, 0.508507, -0.126026, 0.458246],
        6.339973,
        [0.960486, -1.019403, 1.038545, -0.979627, -1.34992, -0.53399],
    ),
    (
        "TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8, dropout=0.0), 2)",
        [0.222424, 0.508507, -0.126026, 0.458246],
        13.467772,
        [1.564702, -0.743025, 0.164486, -0.986163, -0.827097, -0.072257],
    ),
    ("PReLU()", [0.25], 0.25, [-0.25, -0.15, -0.05, 0.2, 0.6, 1.0]),
    ("BatchNorm1d(3)", [1.0, 1.0, 1.0, 0.0], 3.0, [-0.999986, -0.999986, -0.999986, 0.999986, 0.999986, 0.999986]),
    ("InstanceNorm2d(2)", [], 0.0, [-1.626887, -1.409968, -1.19305, -0.976132, -0.759214, -0.542296]),
    ("LayerNorm(3)", [1.0, 1.0, 1.0, 0.0], 3.0, [-1.224687, 0.0, 1.224687, -1.224688, 0.0, 1.224687]),
    ("GroupNorm(1, 2)", [1.0, 1.0, 0.0, 0.0], 2.0, [-1.67872, -1.570416, -1.462111, -1.353807, -1.245502, -1.137198]),
    ("RMSNorm(3)", [1.0, 1.0, 1.0], 3.0, [-1.46385, -0.87831, -0.29277, 0.29277, 0.87831, 1.46385]),
    ("LocalResponseNorm(2)", [], 0.0, [-0.999963, -0.935453, -0.870943, -0.806432, -0.74192, -0.677408]),
    ("Dropout(0.5)", [], 0.0, [-0.0, -0.0, -0.4, 0.0, 0.0, 0.0]),
    ("AlphaDropout(0.5)", [], 0.0, [-0.779194, -0.779194, 0.601913, -0.779194, -0.779194, -0.779194]),
    ("FractionalMaxPool2d(2, output_size=2)", [], 0.0, [-0.677419, -0.548387, -0.16129, -0.032258, 0.354839, 0.483871]),
    ("LPPool2d(2, 2)", [], 0.0, [1.69838, 1.444066, 0.697849, 0.469685, 0.469685, 0.697849]),
    (
        "Upsample(scale_factor=2, mode='bilinear')",
        [],
        0.0,
        [-1.0, -0.983871, -0.951613, -0.919355, -0.887097, -0.854839],
    ),
    ("RReLU()", [], 0.0, [-0.327094, -0.163477, -0.044141, 0.2, 0.6, 1.0]),
]


def build(text):
    torch.manual_seed(0)
    return eval("nn." + text)


@pytest.mark.parametrize("text, first, total, output", CASES, ids=[case[0] for case in CASES])
def test_values(text, first, total, output):
    layer = build(text)
    out = layer(*INPUTS.get(text.split("(")[0], (X,)))
    while isinstance(out, tuple):
        out = out[0]
    values = [v for p in layer.parameters() for v in p.detach().flatten().tolist()]
    assert values[:4] == pytest.approx(first, abs=2e-6)
    assert sum(values) == pytest.approx(total, abs=1e-4)
    assert out.detach().flatten().tolist()[:6] == pytest.approx(output, abs=2e-5)


@pytest.mark.parametrize("text", [case[0] for case in CASES])
def test_copies_are_equal(text):
    layer = build(text)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(twin) == repr(layer)
        assert all(torch.equal(a, b) for a, b in zip(layer.parameters(), twin.parameters()))
        assert twin.load_state_dict(layer.state_dict()) == ([], [])


@pytest.mark.parametrize("module, text", [
    (nn.Linear(2, 3, bias=False), "Linear(in_features=2, out_features=3, bias=False)"),
    (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, padding_mode="circular"),
     "Conv2d(4, 6, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), groups=2, padding_mode=circular)"),
    (nn.BatchNorm2d(3, affine=False),
     "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=True)"),
    (nn.LayerNorm((2, 3)), "LayerNorm((2, 3), eps=1e-05, elementwise_affine=True, bias=True)"),
    (nn.LSTM(3, 4, 2, bias=False, batch_first=True, bidirectional=True, proj_size=2),
     "LSTM(3, 4, proj_size=2, num_layers=2, bias=False, batch_first=True, bidirectional=True)"),
    (nn.MaxPool2d(2), "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"),
    (nn.Upsample(scale_factor=2), "Upsample(scale_factor=2.0, mode='nearest')"),
    (nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()]), "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n)"),
])
def test_repr(module, text):
    assert repr(module) == text


def test_lazy_layers_become_ordinary():
    layer = nn.LazyConv2d(4, 3)
    with pytest.raises(RuntimeError, match="Expected 3D .unbatched. or 4D"):
        layer(torch.ones(1, 3))
    assert layer(torch.ones(1, 3, 5, 5)).shape == (1, 4, 3, 3)
    assert type(layer) is nn.Conv2d and layer.weight.shape == (4, 3, 3, 3)
    linear = nn.LazyLinear(2)
    linear.load_state_dict(nn.Linear(5, 2).state_dict())
    assert linear(torch.ones(1, 5)).shape == (1, 2)
    with pytest.raises(ValueError, match="uninitialized parameter"):
        nn.LazyLinear(2).weight.numel()


def test_batch_norm_statistics():
    bn = nn.BatchNorm1d(2)
    bn(torch.tensor([[1.0, 2.0], [3.0, 6.0]]))
    assert bn.running_mean.tolist() == pytest.approx([0.2, 0.4])
    assert bn.running_var.tolist() == pytest.approx([1.1, 1.7])
    assert bn.num_batches_tracked == 1
    average = nn.BatchNorm1d(1, momentum=None)
    for value in (1.0, 3.0):
        average(torch.tensor([[value], [value + 1]]))
    assert average.running_mean.tolist() == pytest.approx([2.5])


def test_attention_masks():
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    x = torch.linspace(-1, 1, 24).view(2, 3, 4)
    causal = nn.Transformer.generate_square_subsequent_mask(3)
    output, weights = attention(x, x, x, attn_mask=causal)
    assert (weights.triu(1) == 0).all() and torch.allclose(weights.sum(-1), torch.ones(2, 3))
    fast, none = attention(x, x, x, attn_mask=causal, need_weights=False, is_causal=True)
    assert none is None and torch.allclose(output, fast, atol=1e-6)
    padding = torch.tensor([[False, False, True], [False, False, False]])
    _, weights = attention(x, x, x, key_padding_mask=padding, average_attn_weights=False)
    assert weights.shape == (2, 2, 3, 3) and (weights[0, :, :, 2] == 0).all()
    with pytest.raises(RuntimeError, match="2D attn_mask"):
        attention(x, x, x, attn_mask=torch.zeros(2, 2))


def test_unbatched_equals_batched():
    for layer, x in ((nn.GRU(3, 4), torch.ones(5, 3)), (nn.TransformerEncoderLayer(4, 2, 8).eval(), torch.ones(3, 4)),
                     (nn.Conv2d(1, 2, 2), torch.ones(1, 4, 4))):
        dim = 1 if not isinstance(layer, nn.Conv2d) else 0
        one, many = layer(x), layer(x.unsqueeze(dim))
        one, many = (one[0], many[0]) if isinstance(one, tuple) else (one, many)
        assert torch.allclose(one, many.squeeze(dim), atol=1e-6)


def test_adaptive_softmax_is_a_distribution():
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2.0)
    x = torch.linspace(-1, 1, 24).view(3, 8)
    log_prob = layer.log_prob(x)
    assert torch.allclose(log_prob.exp().sum(1), torch.ones(3), atol=1e-5)
    target = torch.tensor([1, 7, 19])
    output, loss = layer(x, target)
    assert torch.allclose(output, log_prob.gather(1, target[:, None]).squeeze(1), atol=1e-6)
    assert torch.equal(layer.predict(x), log_prob.argmax(1))
    assert loss.item() == pytest.approx(-output.mean().item())


@pytest.mark.parametrize("call, error, text", [
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
    (lambda: nn.Dropout(2), ValueError, "dropout probability has to be between 0 and 1"),
    (lambda: nn.BatchNorm1d(3)(torch.ones(1, 3)), ValueError, "Expected more than 1 value per channel"),
    (lambda: nn.BatchNorm2d(3)(torch.ones(2, 3)), ValueError, "expected 4D input"),
    (lambda: nn.LSTM(3, 5)(torch.ones(2, 3, 4)), RuntimeError, "must be equal to input_size. Expected 3, got 4"),
    (lambda: nn.GRU(3, 5, 0), ValueError, "num_layers must be greater than zero"),
    (lambda: nn.LSTM(3, 5)(torch.ones(2, 1, 3), (torch.ones(1, 1, 4), torch.ones(1, 1, 5))), RuntimeError,
     r"Expected hidden\[0\] size \(1, 1, 5\)"),
    (lambda: nn.MultiheadAttention(5, 2), AssertionError, "embed_dim must be divisible by num_heads"),
    (lambda: nn.TransformerEncoderLayer(4, 2, activation="x"), RuntimeError, "activation should be relu/gelu"),
    (lambda: nn.Unflatten(1, 3), TypeError, "unflattened_size must be a tuple of ints"),
])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
