"""Connectionist temporal classification (Graves et al. 2006): forward-backward over time, all batch members and
states at once."""

from __future__ import annotations

import math

import flambeau as torch

from .._operator import operator
from ._primitive import primitive


def _extended(targets, target_lengths, blank):
    """Labels with blanks between (N, 2 S + 1), and where a state may be entered from two states before."""
    n, longest = targets.shape
    labels = targets.new_full((n, 2 * longest + 1), blank)
    labels[:, 1::2] = targets
    skip = torch.zeros_like(labels, dtype=torch.bool)
    skip[:, 3::2] = labels[:, 3::2] != labels[:, 1:-2:2]
    return labels, skip


def _shifted(values, by):
    """Values moved by one or two states, -inf entering."""
    result = torch.full_like(values, -math.inf)
    if values.shape[1] > by:
        result[:, by:] = values[:, :-by]
    return result


def _alphas(log_probs, labels, skip, input_lengths):
    """log-probabilities of all prefixes: (T, N, states)."""
    steps, n = log_probs.shape[:2]
    emit = log_probs.gather(2, labels.unsqueeze(0).expand(steps, -1, -1))
    alphas = torch.full_like(emit, -math.inf)
    if steps:
        alphas[0, :, :2] = emit[0, :, :2]
    for t in range(1, steps):
        before = alphas[t - 1]
        two = _shifted(before, 2).masked_fill_(~skip, -math.inf)
        three = torch.stack([before, _shifted(before, 1), two])
        alphas[t] = three.logsumexp(0) + emit[t]
    return alphas, emit


def _final(alphas, input_lengths, target_lengths):
    """The loss of each batch member from the last two states at its last time step."""
    n = alphas.shape[1]
    members = torch.arange(n, device=alphas.device)
    start = torch.full_like(alphas[:1], -math.inf)
    start[:, :, 0] = 0  # before the first step; matters for inputs of length 0 only
    if alphas.shape[0] == 0:
        last = start[0]
    else:
        last = alphas[(input_lengths - 1).clamp(min=0), members]
        last = torch.where((input_lengths == 0).unsqueeze(1), start[0], last)
    end = last.gather(1, (2 * target_lengths).unsqueeze(1)).squeeze(1)
    before = last.gather(1, (2 * target_lengths - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
    before = before.masked_fill(target_lengths == 0, -math.inf)
    return -torch.logaddexp(end, before)


def _ctc_backward(inputs, outputs, grads, needs):
    log_probs, targets, input_lengths, target_lengths, blank, zero_infinity = inputs
    losses, alphas = outputs
    labels, skip = _extended(targets, target_lengths, blank)
    steps, n, states = alphas.shape
    with torch.no_grad():
        emit = log_probs.gather(2, labels.unsqueeze(0).expand(steps, -1, -1))
        position = torch.arange(states, device=labels.device)
        last = 2 * target_lengths.unsqueeze(1)
        ends = (position == last) | ((position == last - 1) & (last > 0))
        inside = position <= last
        betas = torch.full_like(alphas, -math.inf)
        enter = torch.zeros_like(skip)
        enter[:, :-2] = skip[:, 2:]
        for t in range(steps - 1, -1, -1):
            if t + 1 < steps:
                after = betas[t + 1].flip(1)
                one, two = _shifted(after, 1).flip(1), _shifted(after, 2).flip(1).masked_fill_(~enter, -math.inf)
                value = torch.stack([betas[t + 1], one, two]).logsumexp(0) + emit[t]
            else:
                value = torch.full_like(alphas[0], -math.inf)
            value = torch.where((input_lengths == t + 1).unsqueeze(1), torch.where(ends, emit[t], -math.inf), value)
            betas[t] = value.masked_fill(~inside, -math.inf)
        joint = alphas + betas
        top = joint.amax((0, 2), keepdim=True).clamp_min(-1e30)
        index = labels.unsqueeze(0).expand(steps, -1, -1)
        sums = torch.zeros_like(log_probs).scatter_add_(2, index, (joint - top).exp_())
        posterior = (sums.log_() + top + losses.reshape(1, -1, 1) - log_probs).exp_()
        gradient = log_probs.exp() - posterior
        running = torch.arange(steps, device=labels.device).unsqueeze(1) < input_lengths
        gradient = torch.where(running.unsqueeze(2), gradient, torch.zeros_like(gradient))
        if zero_infinity:
            gradient = gradient.masked_fill((losses == math.inf).reshape(1, -1, 1), 0)
    return (gradient * grads[0].reshape(1, -1, 1),) + (None,) * 5


@primitive(_ctc_backward, fixed=(1,), node="CtcLossBackward0")
def _ctc(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity):
    labels, skip = _extended(targets, target_lengths, blank)
    alphas, _ = _alphas(log_probs, labels, skip, input_lengths)
    return _final(alphas, input_lengths, target_lengths), alphas


def _padded(targets, target_lengths, n):
    """Targets as (N, S), whether given so or one after the other."""
    lengths = target_lengths.tolist()
    longest = max(lengths, default=0)
    if targets.ndim == 1:
        if targets.numel() < sum(lengths):
            raise RuntimeError(f"Expected tensor to have size at least {sum(lengths)} at dimension 0, but got size "
                               f"{targets.numel()} for argument 'targets'")
        rows = targets.new_zeros((n, longest))
        start = 0
        for row, length in enumerate(lengths):
            rows[row, :length] = targets[start:start + length]
            start += length
        return rows
    if targets.ndim != 2 or targets.shape[0] != n or targets.shape[1] < longest:
        raise RuntimeError(f"Expected tensor to have size at least {longest} at dimension 1, but got size "
                           f"{list(targets.shape)} for argument 'targets'")
    return targets[:, :longest]


def _ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity):
    if not log_probs.is_floating_point() or log_probs.dtype in (torch.float16, torch.bfloat16):
        raise RuntimeError(f'"ctc_loss_cpu" not implemented for {log_probs.dtype}')
    if targets.dtype not in (torch.int32, torch.int64):
        raise RuntimeError(f"ctc_loss: expected targets of dtype int32 or int64 (got {targets.dtype})")
    alone = log_probs.ndim == 2
    if alone:
        log_probs = log_probs.unsqueeze(1)
        targets = targets.unsqueeze(0) if targets.ndim == 1 else targets
    if log_probs.ndim != 3:
        raise RuntimeError(f"ctc_loss: expected log_probs of 2 or 3 dims (got {log_probs.ndim})")
    steps, n, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    inputs = torch.as_tensor(input_lengths, device=log_probs.device).reshape(-1).long()
    lengths = torch.as_tensor(target_lengths, device=log_probs.device).reshape(-1).long()
    if inputs.numel() != n:
        raise RuntimeError("input_lengths must be of size batch_size")
    if lengths.numel() != n:
        raise RuntimeError("target_lengths must be of size batch_size")
    if n == 0:
        raise RuntimeError("log_probs tensor must not be empty")
    if bool((inputs > steps).any()) or bool((inputs < 0).any()):
        raise RuntimeError(f"Expected input_lengths to have value at most {steps}, but got value "
                           f"{int(inputs.max())}")
    if bool((lengths < 0).any()):
        raise RuntimeError("Expected target_lengths to have value at least 0")
    losses = _ctc(log_probs, _padded(targets.long(), lengths, n), inputs, lengths, blank, zero_infinity)[0]
    if zero_infinity:
        losses = torch.where(losses == math.inf, torch.zeros_like(losses), losses)
    if reduction == 1:
        return (losses / lengths.clamp(min=1).to(losses.dtype)).mean()
    if reduction == 2:
        return losses.sum()
    return losses.squeeze(0) if alone else losses


@operator("ctc_loss.IntList(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank=0, "
          "int reduction=1, bool zero_infinity=False) -> Tensor", method=False, out=False)
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity):
    """The negative log-likelihood of label sequences given log-probabilities (T, N, C) over time, summed over all
    alignments; targets are (N, S) or one after the other. With reduction 1 each loss is divided by its target length.

    >>> torch.ctc_loss(torch.full((1, 1, 2), -1.0), torch.tensor([[1]]), [1], [1])
    tensor(1.)
    """
    return _ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)


ctc_loss.overload("ctc_loss.Tensor(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, "
                  "int blank=0, int reduction=1, bool zero_infinity=False) -> Tensor")(_ctc_loss)
