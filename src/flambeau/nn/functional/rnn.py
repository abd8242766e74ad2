"""Recurrent layers as functions: lstm, gru, rnn_tanh, rnn_relu over whole (or packed) sequences, and single steps.

All time steps share one product with the input weights; a step then costs one product with the hidden weights and the
gates. LSTM layers run all their steps in one native call.
"""

from __future__ import annotations

import flambeau as torch
from flambeau import Tensor

_nn = torch._C._nn
_NATIVE_DTYPES = (torch.float32, torch.float64)


def _lstm_step(x: Tensor, hidden: tuple, w_hh: Tensor, b_hh: Tensor | None, w_hr: Tensor | None) -> tuple:
    h, c = hidden
    i, f, g, o = torch.addmm(x, h, w_hh).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    return (h if w_hr is None else torch.mm(h, w_hr)), c


def _gru_step(x: Tensor, hidden: tuple, w_hh: Tensor, b_hh: Tensor | None, w_hr) -> tuple:
    (h,) = hidden
    ir, iz, i_n = x.chunk(3, 1)
    hr, hz, hn = (torch.mm(h, w_hh) if b_hh is None else torch.addmm(b_hh, h, w_hh)).chunk(3, 1)
    r = torch.sigmoid(ir + hr)
    z = torch.sigmoid(iz + hz)
    n = torch.tanh(i_n + r * hn)
    return ((h - n) * z + n,)


def _tanh_step(x: Tensor, hidden: tuple, w_hh: Tensor, b_hh: Tensor | None, w_hr) -> tuple:
    return (torch.tanh(torch.addmm(x, hidden[0], w_hh)),)


def _relu_step(x: Tensor, hidden: tuple, w_hh: Tensor, b_hh: Tensor | None, w_hr) -> tuple:
    return (torch.relu(torch.addmm(x, hidden[0], w_hh)),)


def _direction(step, input: Tensor, hidden: tuple, weights: list, has_biases: bool, batch_sizes: list[int] | None,
               reverse: bool) -> tuple[Tensor, tuple]:
    """One layer in one direction: (outputs, last hidden state)."""
    w_ih, w_hh = weights[0], weights[1]
    b_ih, b_hh = (weights[2], weights[3]) if has_biases else (None, None)
    w_hr = weights[-1].t() if len(weights) in (3, 5) else None
    if has_biases and step is not _gru_step:
        b_ih = b_ih + b_hh  # both are only ever added; the reset gate of a GRU comes between them
    x = _nn.linear(input, w_ih, b_ih)
    if step is _lstm_step and batch_sizes is None and w_hr is None and x.dtype in _NATIVE_DTYPES \
            and x.dtype is w_hh.dtype is hidden[0].dtype is hidden[1].dtype:
        states, cells, _ = _nn._lstm_layer(x, w_hh, *hidden, reverse)
        last = 0 if reverse else -1
        return states, (states[last], cells[last])
    w_hh = w_hh.t()
    outputs = []
    if batch_sizes is None:
        steps = x.unbind(0)
        for x_t in reversed(steps) if reverse else steps:
            hidden = step(x_t, hidden, w_hh, b_hh, w_hr)
            outputs.append(hidden[0])
        if reverse:
            outputs.reverse()
        return torch.stack(outputs), hidden
    steps = list(x.split(batch_sizes))
    if not reverse:
        # Sequences are sorted by length: those that end drop out at the back, with their last state.
        finished = []
        size = batch_sizes[0]
        for x_t, n in zip(steps, batch_sizes):
            if n < size:
                finished.append(tuple(h[n:] for h in hidden))
                hidden = tuple(h[:n] for h in hidden)
                size = n
            hidden = step(x_t, hidden, w_hh, b_hh, w_hr)
            outputs.append(hidden[0])
        finished.append(hidden)
        finished.reverse()
        return torch.cat(outputs), tuple(torch.cat(parts) for parts in zip(*finished))
    initial = hidden
    size = batch_sizes[-1]
    hidden = tuple(h[:size] for h in initial)
    for x_t, n in zip(reversed(steps), reversed(batch_sizes)):
        if n > size:
            hidden = tuple(torch.cat([h, first[size:n]]) for h, first in zip(hidden, initial))
            size = n
        hidden = step(x_t, hidden, w_hh, b_hh, w_hr)
        outputs.append(hidden[0])
    outputs.reverse()
    return torch.cat(outputs), hidden


def _layers(step, input: Tensor, hx: tuple, params, has_biases: bool, num_layers: int, dropout: float, train: bool,
            bidirectional: bool, batch_sizes: list[int] | None) -> tuple[Tensor, list]:
    directions = 2 if bidirectional else 1
    each = len(params) // (num_layers * directions)
    states = [tensor.unbind(0) for tensor in hx]
    last: list[tuple] = []
    for layer in range(num_layers):
        outputs = []
        for d in range(directions):
            k = layer * directions + d
            weights = list(params[k * each:(k + 1) * each])
            output, hidden = _direction(
                step, input, tuple(s[k] for s in states), weights, has_biases, batch_sizes, d == 1
            )
            outputs.append(output)
            last.append(hidden)
        input = outputs[0] if directions == 1 else torch.cat(outputs, dim=-1)
        if dropout != 0 and train and layer < num_layers - 1:
            input = torch.dropout(input, dropout, True)
    return input, [torch.stack(parts) for parts in zip(*last)]


def _sequence(step, args: tuple, several: bool) -> tuple:
    """Both overloads: (input, hx, params, ..., batch_first) and (data, batch_sizes, hx, params, ...)."""
    packed = isinstance(args[3], (list, tuple))  # the place of params tells them apart
    if packed:
        input, sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional = args
        batch_first, batch_sizes = False, sizes.tolist()
    else:
        input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first = args
        batch_sizes = None
    hx = tuple(hx) if several else (hx,)
    if batch_first:
        input = input.transpose(0, 1)
    if input.size(0) == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    output, last = _layers(step, input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_sizes)
    return ((output.transpose(0, 1) if batch_first else output), *last)


def lstm(*args):
    """(output, h_n, c_n) of a stack of LSTM layers; `hx` is the pair (h_0, c_0)."""
    return _sequence(_lstm_step, args, True)


def gru(*args):
    """(output, h_n) of a stack of GRU layers."""
    return _sequence(_gru_step, args, False)


def rnn_tanh(*args):
    """(output, h_n) of a stack of Elman layers with tanh."""
    return _sequence(_tanh_step, args, False)


def rnn_relu(*args):
    """(output, h_n) of a stack of Elman layers with relu."""
    return _sequence(_relu_step, args, False)


def _cell(step, input: Tensor, hidden: tuple, w_ih: Tensor, w_hh: Tensor, b_ih, b_hh) -> tuple:
    if input.size(1) != w_ih.size(1):
        raise RuntimeError(f"input has inconsistent input_size: got {input.size(1)} expected {w_ih.size(1)}")
    for i, h in enumerate(hidden):
        if input.size(0) != h.size(0):
            raise RuntimeError(f"Input batch size {input.size(0)} doesn't match hidden{i} batch size {h.size(0)}")
        expected = w_hh.size(1)
        if h.size(1) != expected:
            raise RuntimeError(f"hidden{i} has inconsistent hidden_size: got {h.size(1)}, expected {expected}")
    if b_ih is not None and step is not _gru_step:
        b_ih = b_ih + b_hh
    return step(_nn.linear(input, w_ih, b_ih), hidden, w_hh.t(), b_hh, None)


def lstm_cell(input: Tensor, hx, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None):
    """One LSTM step: (h, c)."""
    if isinstance(hx, Tensor):
        raise TypeError("lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, not Tensor")
    return _cell(_lstm_step, input, tuple(hx), w_ih, w_hh, b_ih, b_hh)


def gru_cell(input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
             b_hh: Tensor | None = None) -> Tensor:
    """One GRU step."""
    return _cell(_gru_step, input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_tanh_cell(input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
                  b_hh: Tensor | None = None) -> Tensor:
    """One Elman step with tanh."""
    return _cell(_tanh_step, input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_relu_cell(input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
                  b_hh: Tensor | None = None) -> Tensor:
    """One Elman step with relu."""
    return _cell(_relu_step, input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]
