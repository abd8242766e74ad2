"""Losses. `reduction` is "none", "mean" or "sum"; the flags size_average and reduce are its old form."""

from __future__ import annotations

import math
import warnings

import flambeau as torch
from flambeau import Tensor
from flambeau.overrides import overridable

from .. import _reduction as _Reduction

_nn = torch._C._nn
_get_enum = _Reduction.get_enum


def _number(reduction: str, size_average: bool | None, reduce: bool | None) -> int:
    if size_average is not None or reduce is not None:
        return _Reduction.legacy_get_enum(size_average, reduce)
    return _get_enum(reduction)


def _word(reduction: str, size_average: bool | None, reduce: bool | None) -> str:
    if size_average is not None or reduce is not None:
        return _Reduction.legacy_get_string(size_average, reduce)
    return reduction


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"{reduction} is not a valid value for reduction")


def _warn_sizes(input: Tensor, target: Tensor) -> None:
    if target.size() != input.size():
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). This "
            "will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )


def _weighted(error: Tensor, weight: Tensor, reduction: str) -> Tensor:
    if weight.size() != error.size():
        raise ValueError("Weights and input must have the same size.")
    error = error * weight
    if reduction == "none":
        return error
    if reduction == "sum":
        return error.sum()
    if reduction == "mean":
        return error.sum() / weight.sum()
    raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")


@overridable
def nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
             ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean") -> Tensor:
    """-input[n, target[n]], for log-probabilities (N, C, ...) and class indices (N, ...)."""
    return _nn.nll_loss_nd(input, target, weight, _number(reduction, size_average, reduce), ignore_index)


@overridable
def cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
                  ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Tensor:
    """-log softmax(input)[target]: input (N, C, ...) of logits, target of class indices (N, ...) or probabilities.

    >>> torch.nn.functional.cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
    tensor(1.3863)
    """
    number = (
        _get_enum(reduction) if size_average is None and reduce is None else _number(reduction, size_average, reduce)
    )
    return _nn.cross_entropy_loss(input, target, weight, number, ignore_index, label_smoothing)


@overridable
def linear_cross_entropy(input: Tensor, linear_weight: Tensor, target: Tensor, *, linear_bias: Tensor | None = None,
                         weight: Tensor | None = None, reduction: str = "mean", ignore_index: int | None = None,
                         label_smoothing: float = 0.0, options=None) -> Tensor:
    """cross_entropy of linear(input, linear_weight, linear_bias).

    A weight of shape (C, d1, ..., dK, in_features) makes logits of shape (N, C, d1, ..., dK). `options` asks for the
    batch to be done in pieces, which changes memory use but not the result.
    """
    if input.dim() not in (1, 2):
        raise RuntimeError(f"expected input to be 1D or 2D, got {input.dim()}D")
    if linear_weight.dim() < 2:
        raise RuntimeError(f"expected linear_weight to have at least 2 dimensions, got {linear_weight.dim()}D")
    if input.shape[-1] != linear_weight.shape[-1]:
        raise RuntimeError("expected equal input and linear_weight last dimensions (in_features), got "
                           f"{input.shape[-1]} and {linear_weight.shape[-1]}, respectively")
    inner = tuple(linear_weight.shape[1:-1])
    if inner and input.dim() == 1:
        raise RuntimeError("expected batched input (N, in_features) with a multi-dimensional linear_weight of shape "
                           f"{tuple(linear_weight.shape)}")
    if linear_bias is not None and linear_bias.shape != linear_weight.shape[:-1]:
        raise RuntimeError(f"expected linear_bias of shape {tuple(linear_weight.shape[:-1])}, got "
                           f"{tuple(linear_bias.shape)}")
    if target.is_floating_point() and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    if inner:
        classes = linear_weight.shape[0]
        bias = None if linear_bias is None else linear_bias.reshape(-1)
        logits = _nn.linear(input, linear_weight.reshape(-1, linear_weight.shape[-1]), bias)
        logits = logits.view(input.shape[0], classes, *inner)
    else:
        logits = _nn.linear(input, linear_weight, linear_bias)
    return cross_entropy(logits, target, weight=weight, reduction=reduction,
                         ignore_index=-100 if ignore_index is None else ignore_index, label_smoothing=label_smoothing)


@overridable
def kl_div(input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
           reduction: str = "mean", log_target: bool = False) -> Tensor:
    """target * (log target - input), for log-probabilities `input`; "batchmean" divides by the batch size."""
    word = _word(reduction, size_average, reduce)
    if word == "mean":
        warnings.warn("kl_div: reduction: 'mean' divides the total loss by the number of elements; use 'batchmean' for "
                      "the mathematical definition, which divides by the batch size", stacklevel=2)
    if word == "batchmean":
        loss = torch.kl_div(input, target, 2, log_target=log_target)
        return loss / input.size(0) if input.dim() != 0 else loss
    return torch.kl_div(input, target, _get_enum(word), log_target=log_target)


@overridable
def poisson_nll_loss(input: Tensor, target: Tensor, log_input: bool = True, full: bool = False,
                     size_average: bool | None = None, eps: float = 1e-8, reduce: bool | None = None,
                     reduction: str = "mean") -> Tensor:
    """The negative log likelihood of counts; `input` is the (log of the) rate, `full` adds Stirling's term."""
    word = _word(reduction, size_average, reduce)
    if word not in ("none", "mean", "sum"):
        raise ValueError(f"{word} is not a valid value for reduction")
    return torch.poisson_nll_loss(input, target, log_input, full, eps, _get_enum(word))


@overridable
def gaussian_nll_loss(input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6,
                      reduction: str = "mean") -> Tensor:
    """0.5 * (log var + (input - target)^2 / var), with var at least eps; `full` adds the constant term."""
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * torch.ones_like(input)
    elif (var < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.size() != input.size():
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)  # one variance a row
        elif not (input.size()[:-1] == var.size()[:-1] and var.size(-1) == 1) and not (
                input.dim() == var.dim() and all(b in (1, a) for a, b in zip(input.size(), var.size()))
                and input.size() == torch.broadcast_shapes(input.size(), var.size())):
            raise ValueError(f"var is of incorrect size: {tuple(var.size())} for an input of {tuple(input.size())}")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    var = var.clone()
    with torch.no_grad():
        var.clamp_(min=eps)
    loss = 0.5 * (torch.log(var) + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduce(loss, reduction)


@overridable
def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
                         reduce: bool | None = None, reduction: str = "mean") -> Tensor:
    """-(target * log input + (1 - target) * log(1 - input)), for probabilities `input`."""
    number = _number(reduction, size_average, reduce)
    if target.size() != input.size():
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}) is "
            "deprecated. Please ensure they have the same size."
        )
    if weight is not None:
        weight = weight.expand(torch.broadcast_shapes(target.size(), weight.size()))
    return _nn.binary_cross_entropy(input, target, weight, number)


@overridable
def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, weight: Tensor | None = None,
                                     size_average: bool | None = None, reduce: bool | None = None,
                                     reduction: str = "mean", pos_weight: Tensor | None = None) -> Tensor:
    """binary_cross_entropy of sigmoid(input), computed without overflow; pos_weight weighs positive targets."""
    number = _number(reduction, size_average, reduce)
    if target.size() != input.size():
        raise ValueError(f"Target size ({target.size()}) must be the same as input size ({input.size()})")
    return torch.binary_cross_entropy_with_logits(input, target, weight, pos_weight, number)


@overridable
def mse_loss(input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
             reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """(input - target)^2.

    >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 3.0]), torch.zeros(2))
    tensor(5.)
    """
    if target.size() != input.size():
        _warn_sizes(input, target)
    if size_average is not None or reduce is not None:
        reduction = _Reduction.legacy_get_string(size_average, reduce)
    a, b = torch.broadcast_tensors(input, target)
    if weight is not None:
        return _weighted((a - b) ** 2, weight, reduction)
    return _nn.mse_loss(a, b, _get_enum(reduction))


@overridable
def l1_loss(input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
            reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """|input - target|."""
    if target.size() != input.size():
        _warn_sizes(input, target)
    if size_average is not None or reduce is not None:
        reduction = _Reduction.legacy_get_string(size_average, reduce)
    a, b = torch.broadcast_tensors(input, target)
    if weight is not None:
        return _weighted(torch.abs(a - b), weight, reduction)
    return _nn.l1_loss(a, b, _get_enum(reduction))


@overridable
def smooth_l1_loss(input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
                   reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """0.5 * d^2 / beta where |d| < beta, else |d| - 0.5 * beta."""
    if target.size() != input.size():
        _warn_sizes(input, target)
    number = _number(reduction, size_average, reduce)
    a, b = torch.broadcast_tensors(input, target)
    return _nn.l1_loss(a, b, number) if beta == 0.0 else _nn.smooth_l1_loss(a, b, number, beta)


@overridable
def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0,
               weight: Tensor | None = None) -> Tensor:
    """0.5 * d^2 where |d| < delta, else delta * (|d| - 0.5 * delta) (Huber, 1964)."""
    if target.size() != input.size():
        _warn_sizes(input, target)
    a, b = torch.broadcast_tensors(input, target)
    if weight is not None:
        weighted = _weighted(_nn.huber_loss(a, b, 0, delta), weight, "none")
        return _reduce(weighted, reduction)  # unlike the squares and moduli above, a plain mean
    return _nn.huber_loss(a, b, _get_enum(reduction), delta)


@overridable
def soft_margin_loss(input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
                     reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target * input)), for targets 1 and -1."""
    return _nn.soft_margin_loss(input, target, _number(reduction, size_average, reduce))


@overridable
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target * (input1 - input2) + margin), for targets 1 and -1."""
    number = _number(reduction, size_average, reduce)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError("margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
                           f"{input1.size()}, input2: {input2.size()}, target: {target.size()} ")
    return torch.margin_ranking_loss(input1, input2, target, margin, number)


@overridable
def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, size_average: bool | None = None,
                         reduce: bool | None = None, reduction: str = "mean") -> Tensor:
    """input where target is 1, max(0, margin - input) where it is -1."""
    return torch.hinge_embedding_loss(input, target, margin, _number(reduction, size_average, reduce))


@overridable
def multilabel_margin_loss(input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
                           reduction: str = "mean") -> Tensor:
    """The hinge loss between each target class and each other class; rows of `target` end at the first -1."""
    return _nn.multilabel_margin_loss(input, target, _number(reduction, size_average, reduce))


@overridable
def multilabel_soft_margin_loss(input: Tensor, target: Tensor, weight: Tensor | None = None,
                                size_average: bool | None = None, reduce: bool | None = None,
                                reduction: str = "mean") -> Tensor:
    """binary_cross_entropy_with_logits averaged over the classes of each sample."""
    word = _word(reduction, size_average, reduce)
    logsigmoid = _nn.log_sigmoid
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return _reduce(loss.sum(dim=input.dim() - 1) / input.size(-1), word)


@overridable
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos where target is 1, max(0, cos - margin) where it is -1."""
    return torch.cosine_embedding_loss(input1, input2, target, margin, _number(reduction, size_average, reduce))


@overridable
def multi_margin_loss(input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
                      size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> Tensor:
    """max(0, margin - x[target] + x[i])^p averaged over the other classes i; p is 1 or 2."""
    number = _number(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    return _nn.multi_margin_loss(input, target, p, margin, weight, number)


@overridable
def ctc_loss(log_probs: Tensor, targets: Tensor, input_lengths, target_lengths, blank: int = 0, reduction: str = "mean",
             zero_infinity: bool = False) -> Tensor:
    """Connectionist temporal classification (Graves et al., 2006) of log-probabilities (T, N, C)."""
    return torch.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, _get_enum(reduction), zero_infinity)


@overridable
def triplet_margin_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2,
                        eps: float = 1e-6, swap: bool = False, size_average: bool | None = None,
                        reduce: bool | None = None, reduction: str = "mean") -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with the p-norm as distance."""
    number = _number(reduction, size_average, reduce)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    return torch.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, number)


@overridable
def triplet_margin_with_distance_loss(anchor: Tensor, positive: Tensor, negative: Tensor, *, distance_function=None,
                                      margin: float = 1.0, swap: bool = False, reduction: str = "mean") -> Tensor:
    """triplet_margin_loss with any distance function (default: the Euclidean distance)."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    distance = torch.pairwise_distance if distance_function is None else distance_function
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError("The anchor, positive, and negative tensors are expected to have the same number of "
                           f"dimensions, but got: anchor {anchor.dim()}D, positive {positive.dim()}D, and negative "
                           f"{negative.dim()}D inputs")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = torch.minimum(far, distance(positive, negative))
    return _reduce(torch.clamp_min(margin + near - far, 0), reduction)
