"""torch.nn.utils: clipping, packing, weight and spectral norm, parametrisations, pruning, functional calls, fusion."""
import copy

import flambeau as torch
import pytest
from flambeau import nn
from flambeau.nn.utils import parametrize, parametrizations, prune, rnn, stateless


def test_clip_grad_norm():
    p = nn.Parameter(torch.zeros(2))
    p.grad = torch.tensor([3.0, 4.0])
    assert nn.utils.clip_grad_norm_([p], 1.0).item() == 5
    assert p.grad.tolist() == pytest.approx([0.6, 0.8], abs=1e-5)
    nn.utils.clip_grad_value_(p, 0.7)
    assert p.grad.tolist() == pytest.approx([0.6, 0.7], abs=1e-5)
    p.grad = torch.tensor([float("inf"), 0.0])
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)


def test_vectors():
    layer = nn.Linear(2, 1)
    nn.utils.vector_to_parameters(torch.tensor([1.0, 2.0, 3.0]), layer.parameters())
    assert layer.weight.tolist() == [[1, 2]] and layer.bias.tolist() == [3]
    assert nn.utils.parameters_to_vector(layer.parameters()).tolist() == [1, 2, 3]


SEQUENCES = [torch.tensor([1, 2, 3]), torch.tensor([9]), torch.tensor([7, 8])]


def test_padding_and_packing():
    assert rnn.pad_sequence(SEQUENCES, batch_first=True, padding_value=-1).tolist() == [
        [1, 2, 3],
        [9, -1, -1],
        [7, 8, -1],
    ]
    packed = rnn.pack_sequence(SEQUENCES, enforce_sorted=False)
    assert packed.data.tolist() == [1, 7, 9, 2, 8, 3] and packed.batch_sizes.tolist() == [3, 2, 1]
    assert packed.sorted_indices.tolist() == [0, 2, 1] and packed.unsorted_indices.tolist() == [0, 2, 1]
    assert [s.tolist() for s in rnn.unpack_sequence(packed)] == [[1, 2, 3], [9], [7, 8]]
    padded, lengths = rnn.pad_packed_sequence(packed, total_length=4)
    assert padded.shape == (4, 3) and lengths.tolist() == [3, 1, 2]
    with pytest.raises(RuntimeError, match="sorted in decreasing order"):
        rnn.pack_sequence(SEQUENCES)
    with pytest.raises(RuntimeError, match="greater than 0"):
        rnn.pack_padded_sequence(torch.ones(3, 2), [3, 0])


@pytest.mark.parametrize(
    "kind, options",
    [
        ("LSTM", {"bidirectional": True, "num_layers": 2}),
        ("GRU", {"bidirectional": True}),
        ("RNN", {}),
        ("LSTM", {"proj_size": 2}),
    ],
)
def test_packed_sequences_run_as_single_ones(kind, options):
    torch.manual_seed(0)
    layer = getattr(nn, kind)(1, 3, **options)
    inputs = [s.float().view(-1, 1) for s in SEQUENCES]
    output, hidden = layer(rnn.pack_sequence(inputs, enforce_sorted=False))
    outputs = rnn.unpack_sequence(output)
    for i, sequence in enumerate(inputs):
        alone, last = layer(sequence)
        assert torch.allclose(alone, outputs[i], atol=1e-6)
        pairs = zip(hidden, last) if isinstance(hidden, tuple) else [(hidden, last)]
        assert all(torch.allclose(a[:, i], b, atol=1e-6) for a, b in pairs)


def test_weight_norm():
    with pytest.warns(FutureWarning):
        layer = nn.utils.weight_norm(nn.Linear(3, 2))
    assert list(layer.state_dict()) == ["bias", "weight_g", "weight_v"]
    before = layer(torch.ones(1, 3))
    with torch.no_grad():
        layer.weight_g.mul_(2)
    bias = layer.bias
    assert torch.allclose(layer(torch.ones(1, 3)) - bias, 2 * (before - bias), atol=1e-6)
    nn.utils.remove_weight_norm(layer)
    assert isinstance(layer.weight, nn.Parameter)


@pytest.mark.parametrize("make", [lambda m: nn.utils.spectral_norm(m, n_power_iterations=50),
                                  lambda m: parametrizations.spectral_norm(m, n_power_iterations=50)])
def test_spectral_norm(make):
    torch.manual_seed(0)
    layer = make(nn.Linear(4, 3))
    layer(torch.ones(1, 4))
    assert torch.linalg.matrix_norm(layer.weight.detach(), 2).item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("how", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (3, 4), (4, 2)])
def test_orthogonal(how, shape):
    layer = parametrizations.orthogonal(nn.Linear(shape[1], shape[0]), orthogonal_map=how)
    w = layer.weight.detach()
    gram = w @ w.T if shape[0] <= shape[1] else w.T @ w
    assert torch.allclose(gram, torch.eye(min(shape)), atol=1e-5)


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, x):
        return x.triu()


def test_parametrize():
    layer = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    assert type(layer).__name__ == "ParametrizedLinear" and parametrize.is_parametrized(layer, "weight")
    assert torch.equal(layer.weight, layer.weight.T)
    layer.weight = torch.ones(3, 3)
    assert torch.equal(layer.parametrizations.weight.original, torch.ones(3, 3).triu())
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert torch.equal(copy.deepcopy(layer).weight, layer.weight)
    layer.weight.sum().backward()
    assert layer.parametrizations.weight.original.grad is not None
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and isinstance(layer.weight, nn.Parameter)
    assert torch.equal(layer.weight, torch.ones(3, 3))


def test_prune():
    layer = nn.Linear(2, 2)
    layer.weight.data = torch.tensor([[1.0, -3.0], [2.0, 0.5]])
    prune.l1_unstructured(layer, "weight", 0.5)
    assert layer.weight_mask.tolist() == [[0, 1], [1, 0]] and "weight_orig" in layer._parameters
    prune.ln_structured(layer, "weight", 1, 2, 0)
    assert layer.weight.tolist() == [[0, -3], [0, 0]]
    prune.remove(layer, "weight")
    assert layer.weight.tolist() == [[0, -3], [0, 0]] and not prune.is_pruned(layer)
    a, b = nn.Linear(1, 1), nn.Linear(1, 1)
    a.weight.data.fill_(1)
    b.weight.data.fill_(2)
    prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=1)
    assert a.weight.item() == 0 and b.weight.item() == 2
    with pytest.raises(ValueError, match="has to be pruned"):
        prune.remove(nn.Linear(1, 1), "weight")


def test_functional_call():
    layer = nn.Linear(1, 1, bias=False)
    own = layer.weight
    w = torch.tensor([[3.0]], requires_grad=True)
    stateless._functional_call(layer, {"weight": w}, torch.ones(1, 1)).backward()
    assert w.grad.item() == 1 and layer.weight is own and own.grad is None
    with pytest.raises(RuntimeError, match="Missing key"):
        stateless._functional_call(layer, {}, torch.ones(1, 1), strict=True)


def test_fusion():
    conv, bn = nn.Conv2d(2, 3, 3).eval(), nn.BatchNorm2d(3).eval()
    bn.running_mean.copy_(torch.tensor([0.1, 0.2, 0.3]))
    bn.running_var.copy_(torch.tensor([1.0, 2.0, 3.0]))
    x = torch.linspace(-1, 1, 50).view(1, 2, 5, 5)
    assert torch.allclose(nn.utils.fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-6)


def test_gradients_of_convolution():
    x = torch.linspace(-1, 1, 25).view(1, 1, 5, 5).requires_grad_()
    w = torch.linspace(0, 1, 9).view(1, 1, 3, 3).requires_grad_()
    out = torch.nn.functional.conv2d(x, w, stride=2)
    gx, gw = torch.autograd.grad(out, (x, w), torch.ones_like(out))
    assert torch.allclose(nn.grad.conv2d_input(x.shape, w, torch.ones_like(out), stride=2), gx)
    assert torch.allclose(nn.grad.conv2d_weight(x, w.shape, torch.ones_like(out), stride=2), gw, atol=1e-6)


def test_causal_bias():
    from flambeau.nn.attention import SDPBackend, sdpa_kernel
    from flambeau.nn.attention.bias import causal_lower_right

    q, k = torch.linspace(-1, 1, 8).view(1, 1, 2, 4), torch.linspace(-1, 1, 12).view(1, 1, 3, 4)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    attend = torch.nn.functional.scaled_dot_product_attention
    with sdpa_kernel([SDPBackend.MATH]):
        assert torch.allclose(attend(q, k, k, causal_lower_right(2, 3)), attend(q, k, k, mask), atol=1e-6)


def test_importing_a_file_keeps_the_function_of_its_name():
    import flambeau.nn.utils.spectral_norm
    import flambeau.nn.utils.weight_norm  # noqa: F401

    assert callable(torch.nn.utils.spectral_norm) and callable(torch.nn.utils.weight_norm)
