"""LSTM layers, which run natively, against steps of their cells; their gradients of first and second order."""
import flambeau as torch
import pytest
from flambeau import nn


def by_cells(layer, x, h, c, suffix, times):
    cell = nn.LSTMCell(layer.input_size, layer.hidden_size, dtype=x.dtype)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(cell, name, getattr(layer, name + suffix))
    outputs = {}
    for t in times:
        h, c = cell(x[t], (h, c))
        outputs[t] = h
    return torch.stack([outputs[t] for t in sorted(outputs)]), h, c


@pytest.mark.parametrize("steps,batch,units", [(1, 1, 5), (2, 3, 33), (6, 50, 40)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layer_is_its_steps(steps, batch, units, dtype):
    torch.manual_seed(0)
    layer = nn.LSTM(3, units, bidirectional=True, dtype=dtype)
    x = torch.randn(steps, batch, 3, dtype=dtype, requires_grad=True)
    h, c = torch.randn(2, batch, units, dtype=dtype), torch.randn(2, batch, units, dtype=dtype)
    output, (h_n, c_n) = layer(x, (h, c))
    (forward, h_f, c_f), (backward, h_b, c_b) = (
        by_cells(layer, x, h[0], c[0], "_l0", range(steps)),
        by_cells(layer, x, h[1], c[1], "_l0_reverse", reversed(range(steps))),
    )
    expected = torch.cat([forward, backward], 2)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(h_n, torch.stack([h_f, h_b]))
    torch.testing.assert_close(c_n, torch.stack([c_f, c_b]))
    inputs = [x, *layer.parameters()]
    upstream = torch.randn_like(output)
    grads = torch.autograd.grad([output, c_n], inputs, [upstream, torch.ones_like(c_n)])
    wanted = torch.autograd.grad([expected, c_f, c_b], inputs, [upstream, torch.ones_like(c_f), torch.ones_like(c_b)])
    for grad, want in zip(grads, wanted):
        torch.testing.assert_close(grad, want)


def test_layer_has_gradients_of_gradients():
    torch.manual_seed(0)
    layer = nn.LSTM(2, 3, dtype=torch.float64)
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    h, c = (torch.randn(1, 2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))

    def run(x, h, c):
        output, (h_n, c_n) = layer(x, (h, c))
        return output, h_n, c_n

    assert torch.autograd.gradcheck(run, (x, h, c))
    assert torch.autograd.gradgradcheck(run, (x, h, c))


def test_empty_batch():
    output, (h, c) = nn.LSTM(2, 3)(torch.zeros(4, 0, 2))
    assert output.shape == (4, 0, 3) and h.shape == c.shape == (1, 0, 3)
    output.sum().backward()
