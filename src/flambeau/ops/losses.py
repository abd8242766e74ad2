"""Losses that are operators: each a formula, then reduced (reduction 0: none, 1: mean, 2: sum)."""

from __future__ import annotations

import math
from typing import Any

import flambeau as torch

from .._operator import operator
from ._common import dtype_name, holds, reduce_loss
from ._primitive import primitive

_LOSS: dict[str, Any] = {"method": False, "out": False}
_NN: dict[str, Any] = {"namespace": "_nn"}


@operator("mse_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", **_NN)
def mse_loss(self, target, reduction):
    """Squared differences.

    >>> torch._C._nn.mse_loss(torch.tensor([1., 2.]), torch.tensor([1., 4.]))
    tensor(2.)
    """
    return reduce_loss((self - target).square(), reduction, "MseLossBackward0")


@operator("l1_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", **_NN)
def l1_loss(self, target, reduction):
    """Absolute differences.

    >>> torch._C._nn.l1_loss(torch.tensor([1., 2.]), torch.tensor([1., 4.]))
    tensor(1.)
    """
    return reduce_loss((self - target).abs(), reduction)


@operator("smooth_l1_loss(Tensor self, Tensor target, int reduction=1, float beta=1.) -> Tensor", **_NN)
def smooth_l1_loss(self, target, reduction, beta):
    """d^2 / (2 beta) for |d| < beta, else |d| - beta / 2 (Girshick 2015).

    >>> torch._C._nn.smooth_l1_loss(torch.tensor([0.]), torch.tensor([2.]))
    tensor(1.5000)
    """
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    distance = (self - target).abs()
    if beta:
        inner = distance.clamp_max(beta)
        distance = inner * torch.sub(distance, inner, alpha=0.5) / beta
    return reduce_loss(distance, reduction, "SmoothL1LossBackward0")


@operator("huber_loss(Tensor self, Tensor target, int reduction=1, float delta=1.) -> Tensor", **_NN)
def huber_loss(self, target, reduction, delta):
    """d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2) (Huber 1964).

    >>> torch._C._nn.huber_loss(torch.tensor([0.]), torch.tensor([2.]))
    tensor(1.5000)
    """
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    distance = (self - target).abs()
    inner = distance.clamp_max(delta)
    return reduce_loss(inner * torch.sub(distance, inner, alpha=0.5), reduction, "HuberLossBackward0")


@operator("soft_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", **_NN)
def soft_margin_loss(self, target, reduction):
    """log(1 + exp(-target * self)) for targets of 1 and -1.

    >>> torch._C._nn.soft_margin_loss(torch.tensor([0.]), torch.tensor([1.]))
    tensor(0.6931)
    """
    return reduce_loss(torch._C._nn.softplus(-target * self), reduction, "SoftMarginLossBackward0")


@operator("kl_div(Tensor self, Tensor target, int reduction=1, *, bool log_target=False) -> Tensor", **_LOSS)
def kl_div(self, target, reduction, log_target):
    """target * (log target - self), self being log-probabilities.

    >>> torch.kl_div(torch.tensor([0.]), torch.tensor([1.]))
    tensor(0.)
    """
    if self.is_complex() or target.is_complex():
        raise RuntimeError("kl_div: Input and target must be real (got "
                           f"{dtype_name(self.dtype)} and {dtype_name(target.dtype)})")
    loss = target.exp() * (target - self) if log_target else torch.xlogy(target, target) - target * self
    return reduce_loss(loss, reduction)


def _bce_backward(inputs, outputs, grads, needs):
    probability, target = inputs
    grad = grads[0]
    first = second = None
    if needs[0]:
        first = grad * (probability - target) / ((1 - probability) * probability).clamp_min(1e-12)
    if needs[1]:
        second = grad * ((1 - probability).log().clamp_min(-100) - probability.log().clamp_min(-100))
    return first, second


@primitive(_bce_backward, node="BinaryCrossEntropyBackward0")
def _bce(probability, target):
    hit = probability.log().clamp_min(-100)
    miss = torch.log1p(-probability).clamp_min(-100)
    return (target - 1) * miss - target * hit


@operator("binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int reduction=1) -> Tensor", **_NN)
def binary_cross_entropy(self, target, weight, reduction):
    """-(t log p + (1 - t) log(1 - p)), the logarithms at least -100.

    >>> torch._C._nn.binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.]))
    tensor(0.6931)
    """
    if target.dtype != self.dtype:
        raise RuntimeError(f"binary_cross_entropy: Found dtype {dtype_name(target.dtype)} but expected "
                           f"{dtype_name(self.dtype)}. Expected object of type {self.type()} but found type "
                           f"{target.type()} for argument 'target'")
    if not self.is_floating_point():
        raise NotImplementedError(f'"binary_cross_entropy" not implemented for \'{dtype_name(self.dtype)}\'')
    if self.numel() and not holds(((self >= 0) & (self <= 1)).all()):
        raise RuntimeError("all elements of input should be between 0 and 1")
    loss = _bce(self, target)
    return reduce_loss(loss if weight is None else loss * weight, reduction, "BinaryCrossEntropyBackward0")


@operator("binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, "
          "Tensor? pos_weight=None, int reduction=1) -> Tensor", **_LOSS)
def binary_cross_entropy_with_logits(self, target, weight, pos_weight, reduction):
    """binary_cross_entropy of sigmoid(self), computed without overflow; pos_weight scales the positive term.

    >>> torch.binary_cross_entropy_with_logits(torch.tensor([0.]), torch.tensor([1.]))
    tensor(0.6931)
    """
    log_sigmoid = torch._C._nn.log_sigmoid(self)
    if pos_weight is not None:
        log_sigmoid = ((pos_weight - 1) * target + 1) * log_sigmoid
    loss = (1 - target) * self - log_sigmoid
    return reduce_loss(loss if weight is None else loss * weight, reduction, "BinaryCrossEntropyWithLogitsBackward0")


@operator("cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int reduction=1) "
          "-> Tensor", **_LOSS)
def cosine_embedding_loss(input1, input2, target, margin, reduction):
    """1 - cos for target 1, max(0, cos - margin) for target -1, over the last dim.

    >>> torch.cosine_embedding_loss(torch.tensor([[1., 0.]]), torch.tensor([[1., 0.]]), torch.tensor([1]))
    tensor(0.)
    """
    if target.ndim not in (0, 1):
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise RuntimeError(f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs "
                           f"with sizes {list(input1.shape)} and {list(input2.shape)}.")
    dim = target.ndim
    product = (input1 * input2).sum(dim)
    squares1, squares2 = (input1 * input1).sum(dim) + 1e-12, (input2 * input2).sum(dim) + 1e-12
    cosine = product / (squares1 * squares2).sqrt()
    zero = torch.zeros_like(cosine)
    loss = torch.where(target == 1, 1 - cosine, zero) + torch.where(target == -1, (cosine - margin).clamp_min(0), zero)
    return reduce_loss(loss, reduction)


@operator("margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int reduction=1) "
          "-> Tensor", **_LOSS)
def margin_ranking_loss(input1, input2, target, margin, reduction):
    """max(0, -target * (input1 - input2) + margin).

    >>> torch.margin_ranking_loss(torch.tensor([1.]), torch.tensor([2.]), torch.tensor([1.]))
    tensor(1.)
    """
    return reduce_loss((-target * (input1 - input2) + margin).clamp_min(0), reduction)


@operator("hinge_embedding_loss(Tensor self, Tensor target, float margin=1., int reduction=1) -> Tensor", **_LOSS)
def hinge_embedding_loss(self, target, margin, reduction):
    """self for target 1, max(0, margin - self) for target -1.

    >>> torch.hinge_embedding_loss(torch.tensor([0.25]), torch.tensor([-1.]))
    tensor(0.7500)
    """
    zero = torch.zeros_like(self)
    loss = torch.where(target != 1, (margin - self).clamp_min(0), zero) + torch.where(target != -1, self, zero)
    return reduce_loss(loss, reduction)


@operator("triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1., float p=2., "
          "float eps=1e-06, bool swap=False, int reduction=1) -> Tensor", **_LOSS)
def triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) for p-norm distances (Balntas et al. 2016).

    >>> torch.triplet_margin_loss(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2))
    tensor(1.)
    """
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError("The anchor, positive, and negative tensors are expected to have the same number of "
                           f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
                           f"{negative.ndim}D inputs")
    if margin <= 0:
        raise RuntimeError(f"triplet_margin_loss: expected margin to be greater than 0, got {margin} instead")
    near = torch.pairwise_distance(anchor, positive, p, eps)
    far = torch.pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = torch.min(far, torch.pairwise_distance(positive, negative, p, eps))
    return reduce_loss((margin + near - far).clamp_min(0), reduction)


def _rows_and_targets(name, self, target):
    """Input as (N, C) for classification margins; C >= 1."""
    if self.ndim > 2 or (self.ndim == 2 and self.shape[1] == 0) or (self.ndim < 2 and self.numel() == 0):
        raise RuntimeError(f"{name}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
                           f"{list(self.shape)}")
    return self.reshape(1, -1) if self.ndim < 2 else self


@operator("multi_margin_loss(Tensor self, Tensor target, Scalar p=1, Scalar margin=1, Tensor? weight=None, "
          "int reduction=1) -> Tensor", **_NN)
def multi_margin_loss(self, target, p, margin, weight, reduction):
    """The mean over classes j other than the target y of max(0, margin - x[y] + x[j])^p, times weight[y].

    >>> torch._C._nn.multi_margin_loss(torch.tensor([[0., 1.]]), torch.tensor([0]))
    tensor(1.)
    """
    if p not in (1, 2):
        raise RuntimeError("only p == 1 and p == 2 supported")
    rows = _rows_and_targets("multi_margin_loss", self, target)
    if target.ndim > 1 or target.numel() != rows.shape[0]:
        raise RuntimeError(f"inconsistent target size, expected {rows.shape[0]} but got {list(target.shape)}")
    if weight is not None and (weight.ndim > 1 or weight.numel() != rows.shape[1]):
        raise RuntimeError(f"inconsistent weight size, expected {rows.shape[1]} but got {list(weight.shape)}")
    index = target.reshape(-1, 1)
    excess = (margin - rows.gather(1, index) + rows).clamp_min(0)
    if p == 2:
        excess = excess.square()
    if weight is not None:
        excess = excess * weight.reshape(-1)[index]
    loss = excess.scatter(1, index, 0).sum(1) / rows.shape[1]
    return reduce_loss(loss if self.ndim == 2 else loss.reshape(target.shape), reduction, "MultiMarginLossBackward0")


@operator("multilabel_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", **_NN)
def multilabel_margin_loss(self, target, reduction):
    """The sum over target classes y and other classes j of max(0, 1 - x[y] + x[j]), over the number of classes. A row
    of targets ends at its first -1.

    >>> torch._C._nn.multilabel_margin_loss(torch.tensor([[0., 1.]]), torch.tensor([[1, -1]]))
    tensor(0.)
    """
    rows = _rows_and_targets("multilabel_margin_loss", self, target)
    if target.shape != self.shape and not (self.ndim < 2 and target.numel() == self.numel()):
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(self.shape)}")
    classes = rows.shape[1]
    labels = target.reshape(rows.shape)
    listed = (labels < 0).cumsum(1) == 0
    safe = labels.masked_fill(~listed, classes)
    is_target = torch.zeros(rows.shape[0], classes + 1, dtype=torch.bool, device=self.device)
    is_target = is_target.scatter(1, safe, True)[:, :classes]
    chosen = rows.gather(1, safe.clamp(max=classes - 1))
    excess = (1 - chosen.unsqueeze(2) + rows.unsqueeze(1)).clamp_min(0)
    wanted = listed.unsqueeze(2) & ~is_target.unsqueeze(1)
    loss = torch.where(wanted, excess, torch.zeros_like(excess)).sum((1, 2)) / classes
    return reduce_loss(loss if self.ndim == 2 else loss.reshape(()), reduction, "MultilabelMarginLossBackward0")


@operator("poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction) "
          "-> Tensor", **_LOSS)
def poisson_nll_loss(input, target, log_input, full, eps, reduction):
    """exp(x) - t x (log_input) or x - t log(x + eps); full adds Stirling's approximation of log t! for t > 1.

    >>> torch.poisson_nll_loss(torch.tensor([0.]), torch.tensor([1.]), True, False, 1e-8, 1)
    tensor(1.)
    """
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduce_loss(loss, reduction)


@operator("cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor", **_LOSS)
def cosine_similarity(x1, x2, dim, eps):
    """The cosine of the angle between x1 and x2 along dim; norms below eps count as eps.

    >>> torch.cosine_similarity(torch.tensor([[1., 0.]]), torch.tensor([[1., 0.]]))
    tensor([1.])
    """
    common = torch.promote_types(x1.dtype, x2.dtype)
    if not common.is_floating_point:
        raise RuntimeError("expected common dtype to be floating point, yet common dtype is "
                           f"{dtype_name(common)}")
    x1, x2 = torch.broadcast_tensors(x1.to(common), x2.to(common))
    norm1 = torch.linalg.vector_norm(x1, 2, [dim], True).clamp_min(eps)
    norm2 = torch.linalg.vector_norm(x2, 2, [dim], True).clamp_min(eps)
    return ((x1 / norm1) * (x2 / norm2)).sum(dim)


@operator("pairwise_distance(Tensor x1, Tensor x2, float p=2., float eps=1e-06, bool keepdim=False) -> Tensor", **_LOSS)
def pairwise_distance(x1, x2, p, eps, keepdim):
    """The p-norm of x1 - x2 + eps over the last dim.

    >>> torch.pairwise_distance(torch.tensor([[3., 4.]]), torch.zeros(1, 2))
    tensor([5.0000])
    """
    return torch.linalg.vector_norm(x1 - x2 + eps, p, [max(x1.ndim, x2.ndim) - 1] if x1.ndim or x2.ndim else None,
                                    keepdim)
