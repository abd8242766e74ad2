"""Network operators over primitives: activations, shuffles, padding, unfolding, unpooling, normalisation
by instance."""

from __future__ import annotations

import math
from typing import Any

import flambeau as torch

from .._operator import operator
from ._common import dtype_name, wrap_dim
from ._primitive import Primitive

_NN: dict[str, Any] = {"namespace": "_nn"}
_PLAIN: dict[str, Any] = {"method": False, "out": False}


@operator("celu(Tensor self, Scalar alpha=1.0) -> Tensor", method=False, out=False, inplace=True, node="CeluBackward0")
def celu(self, alpha):
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) (Barron 2017).

    >>> torch.celu(torch.tensor([1.]))
    tensor([1.])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return torch._C._nn.elu(self, alpha, 1.0, 1.0 / alpha)


@operator("relu6(Tensor self) -> Tensor", namespace="_nn", out=False, inplace=True)
def relu6(self):
    """min(max(0, x), 6).

    >>> torch._C._nn.relu6(torch.tensor([-1., 3., 7.]))
    tensor([0., 3., 6.])
    """
    return torch._C._nn.hardtanh(self, 0, 6)


@operator("glu(Tensor self, int dim=-1) -> Tensor", **_NN, node="GluBackward0")
def glu(self, dim):
    """The first half along dim times the sigmoid of the second (Dauphin et al. 2016).

    >>> torch._C._nn.glu(torch.tensor([2., 0.]))
    tensor([1.])
    """
    if self.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    dim = wrap_dim(dim, self.ndim)
    size = self.shape[dim]
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {size}")
    return self.narrow(dim, 0, size // 2) * self.narrow(dim, size // 2, size // 2).sigmoid()


@operator("prelu(Tensor self, Tensor weight) -> Tensor", out=False, node="PreluKernelBackward0", tie=True)
def prelu(self, weight):
    """x for positive x, else weight * x; the weight is one number or one per channel (dim 1).

    >>> torch.prelu(torch.tensor([-2.]), torch.tensor([0.5]))
    tensor([-1.])
    """
    if self.dtype != weight.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {dtype_name(self.dtype)} and "
                           f"{dtype_name(weight.dtype)}")
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    if weight.numel() != 1:
        if self.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = self.shape[1] if self.ndim > 1 else 1
        if channels != weight.numel():
            raise RuntimeError(f"Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                               f"{weight.numel()} and channel size = {channels}.")
        weight = weight.reshape([1, -1] + [1] * (self.ndim - 2)) if self.ndim > 1 else weight
    elif weight.ndim != self.ndim:
        weight = weight.reshape([1] * self.ndim)
    return torch.where(self > 0, self, weight * self)


@operator("pixel_shuffle(Tensor self, int upscale_factor) -> Tensor", **_PLAIN, node="PixelShuffleBackward0")
def pixel_shuffle(self, upscale_factor):
    """(*, C r^2, H, W) rearranged into (*, C, H r, W r) (Shi et al. 2016).

    >>> torch.pixel_shuffle(torch.zeros(1, 4, 2, 2), 2).shape
    torch.Size([1, 1, 4, 4])
    """
    r = upscale_factor
    if self.ndim < 3:
        raise RuntimeError(f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {self.ndim} "
                           "dimension(s)")
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *batch, channels, height, width = self.shape
    if channels % (r * r):
        raise RuntimeError("pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
                           f"upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}")
    n = len(batch)
    split = self.reshape([*batch, channels // (r * r), r, r, height, width])
    return split.permute([*range(n), n, n + 3, n + 1, n + 4, n + 2]).reshape(
        [*batch, channels // (r * r), height * r, width * r])


@operator("pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor", **_PLAIN, node="PixelUnshuffleBackward0")
def pixel_unshuffle(self, downscale_factor):
    """The inverse of pixel_shuffle.

    >>> torch.pixel_unshuffle(torch.zeros(1, 1, 4, 4), 2).shape
    torch.Size([1, 4, 2, 2])
    """
    r = downscale_factor
    if self.ndim < 3:
        raise RuntimeError("pixel_unshuffle expects input to have at least 3 dimensions, but got input with "
                           f"{self.ndim} dimension(s)")
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *batch, channels, height, width = self.shape
    for name, size in (("height", height), ("width", width)):
        if size % r:
            raise RuntimeError(f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but {size} is "
                               f"not divisible by {r}")
    n = len(batch)
    split = self.reshape([*batch, channels, height // r, r, width // r, r])
    return split.permute([*range(n), n, n + 2, n + 4, n + 1, n + 3]).reshape(
        [*batch, channels * r * r, height // r, width // r])


@operator("channel_shuffle(Tensor self, int groups) -> Tensor",
          "native_channel_shuffle(Tensor self, int groups) -> Tensor", **_PLAIN, node="ChannelShuffleBackward0")
def channel_shuffle(self, groups):
    """The channels (dim 1) dealt out anew across groups (Zhang et al. 2017).

    >>> torch.channel_shuffle(torch.arange(4).reshape(1, 4, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    if self.ndim < 3:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(self.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    channels = self.shape[1]
    if channels % groups:
        raise RuntimeError(f"Number of channels must be divisible by groups. Got {channels} channels and {groups} "
                           "groups.")
    shape = self.shape
    return self.reshape([shape[0], groups, channels // groups, *shape[2:]]).transpose(1, 2).reshape(shape)


@operator("bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor", **_PLAIN)
def bilinear(input1, input2, weight, bias):
    """y[o] = x1 @ weight[o] @ x2 + bias[o] over the last dims.

    >>> torch.bilinear(torch.ones(1, 2), torch.ones(1, 3), torch.ones(4, 2, 3)).shape
    torch.Size([1, 4])
    """
    if input1.ndim != input2.ndim:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}")
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError("bilinear(): input batch dimensions do not match: got "
                           f"{list(input1.shape)} and {list(input2.shape)}")
    out, size1, size2 = weight.shape
    for number, given, wanted in ((1, input1.shape[-1], size1), (2, input2.shape[-1], size2)):
        if given != wanted:
            raise RuntimeError(f"bilinear(): input{number} size does not match weight size: got {given} but expected "
                               f"{wanted}")
    if bias is not None and bias.shape[0] != out:
        raise RuntimeError(f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected {out}")
    rows1, rows2 = input1.reshape(-1, size1), input2.reshape(-1, size2)
    partial = rows1.mm(weight.permute(1, 0, 2).reshape(size1, out * size2)).reshape(-1, out, size2)
    result = torch.bmm(partial, rows2.unsqueeze(2)).reshape([*input1.shape[:-1], out])
    return result if bias is None else result + bias


@operator("one_hot(Tensor self, int num_classes=-1) -> Tensor", namespace="_nn", out=False)
def one_hot(self, num_classes):
    """A new last dim with a one at the class and zeros elsewhere.

    >>> torch._C._nn.one_hot(torch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if self.dtype != torch.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if self.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return self.new_empty([*self.shape, num_classes])
    known = num_classes != -1 and self.is_meta  # then there are no values to check
    low, high = (0, 0) if known else (int(self.min()), int(self.max()))
    if low < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = high + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif high >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return self.new_zeros([*self.shape, num_classes]).scatter_(-1, self.unsqueeze(-1), 1)


_EDGES = {"reflect": 0, "replicate": 1, "circular": 2}


def _source_positions(size, before, after, mode, device):
    """For every place along a padded dim, the index of the element it repeats."""
    if mode == "circular":  # what negative amounts cut off is not wrapped round
        first, kept = max(-before, 0), size + min(before, 0) + min(after, 0)
        at = torch.arange(-max(before, 0), kept + max(after, 0), device=device)
        return at.remainder_(kept).add_(first)
    at = torch.arange(-before, size + after, device=device)
    if mode == "replicate":
        return at.clamp_(0, size - 1)
    return (size - 1) - ((size - 1) - at.abs_()).abs_()


def _pad_edges(self, pad, mode):
    if all(amount >= 0 for amount in pad):
        return torch._C._nn._pad_edges(self, pad, _EDGES[mode])
    result = self
    for pair in range(len(pad) // 2):
        before, after = pad[2 * pair], pad[2 * pair + 1]
        if before or after:
            dim = self.ndim - 1 - pair
            result = result.index_select(dim, _source_positions(self.shape[dim], before, after, mode, self.device))
    return result


def _check_pad(self, pad, mode):
    spatial = len(pad) // 2
    name = {"reflect": "reflection", "replicate": "replication", "circular": "circular"}[mode]
    batch_only = self.ndim == spatial + 2 and all(size for size in self.shape[1:])
    if not (self.ndim in (spatial + 1, spatial + 2) and (self.numel() or batch_only)):
        raise RuntimeError(f"{name}_pad{spatial}d: Expected {spatial + 1}D or {spatial + 2}D tensor with possibly 0 "
                           f"batch size and other non-zero dimensions for input, but got: {list(self.shape)}")
    for pair in range(spatial):
        size, before, after = self.shape[self.ndim - 1 - pair], pad[2 * pair], pad[2 * pair + 1]
        if mode == "reflect" and (before >= size or after >= size):
            raise RuntimeError("Argument #4: Padding size should be less than the corresponding input dimension, but "
                               f"got: padding ({before}, {after}) at dimension {self.ndim - 1 - pair} of input "
                               f"{list(self.shape)}")
        if mode == "circular" and (before > size or after > size):
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if size + before + after < 1:
            raise RuntimeError(f"input (size {size}) is too small. Calculated output size: {size + before + after}")


def _pad_operators():
    """reflection_pad1d ... replication_pad3d."""
    for word, mode in (("reflection", "reflect"), ("replication", "replicate")):
        for spatial in (1, 2, 3):
            def compute(self, padding, mode=mode):
                _check_pad(self, padding, mode)
                return _pad_edges(self, padding, mode)
            compute.__doc__ = f"{word.title()} padding of the last {spatial} dim(s); see nn.functional.pad."
            operator(f"{word}_pad{spatial}d(Tensor self, int[{2 * spatial}] padding) -> Tensor", tie=True,
                     node=f"{word.title()}Pad{spatial}DBackward0", **_NN)(compute)


_pad_operators()


@operator("_pad_circular(Tensor self, int[] pad) -> Tensor", namespace="_nn", out=False)
def _pad_circular(self, pad):
    """Circular padding: the tensor goes on periodically."""
    _check_pad(self, pad, "circular")
    return _pad_edges(self, pad, "circular")


@operator('pad(Tensor self, int[] pad, str mode="constant", float? value=None) -> Tensor', namespace="_nn", out=False)
def pad(self, pad, mode, value):
    """Padding of the last dims: constant, reflect, replicate or circular.

    >>> torch._C._nn.pad(torch.tensor([[1., 2., 3.]]), (1, 1), "reflect")
    tensor([[2., 1., 2., 3., 2.]])
    """
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * self.ndim:
        raise RuntimeError("Padding length should be less than or equal to two times the input dimension but got "
                           f"padding length {len(pad)} and input of dimension {self.ndim}")
    if mode == "constant":
        return torch.constant_pad_nd(self, pad, 0 if value is None else value)
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if not (len(pad) == 2 and self.ndim in (2, 3) or len(pad) == 4 and self.ndim in (3, 4)
            or len(pad) == 6 and self.ndim in (4, 5)):
        raise NotImplementedError("Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now")
    if mode == "circular":
        return torch._C._nn._pad_circular(self, pad)
    word = "reflection" if mode == "reflect" else "replication"
    return getattr(torch._C._nn, f"{word}_pad{len(pad) // 2}d")(self, pad)


def _im2col(self, kernel_size, dilation, padding, stride):
    (kh, kw), (dh, dw), (ph, pw), (sh, sw) = kernel_size, dilation, padding, stride
    padded = torch.constant_pad_nd(self, [pw, pw, ph, ph]) if ph or pw else self
    n, channels, height, width = padded.shape
    rows, columns = (height - dh * (kh - 1) - 1) // sh + 1, (width - dw * (kw - 1) - 1) // sw + 1
    a, b, c, d = padded.stride()
    windows = padded.as_strided([n, channels, kh, kw, rows, columns], [a, b, c * dh, d * dw, c * sh, d * sw],
                                padded.storage_offset())
    return windows.reshape(n, channels * kh * kw, rows * columns)


def _im2col_backward(inputs, outputs, grads, needs):
    self, kernel_size, dilation, padding, stride = inputs
    return (_folded(grads[0], list(self.shape[2:]), kernel_size, dilation, padding, stride),) + (None,) * 4


def _col2im(self, output_size, kernel_size, dilation, padding, stride):
    (kh, kw), (dh, dw), (ph, pw), (sh, sw) = kernel_size, dilation, padding, stride
    height, width = output_size[0] + 2 * ph, output_size[1] + 2 * pw
    rows, columns = (height - dh * (kh - 1) - 1) // sh + 1, (width - dw * (kw - 1) - 1) // sw + 1
    n = self.shape[0]
    blocks = self.reshape(n, self.shape[1] // (kh * kw), kh, kw, rows, columns)
    result = self.new_zeros([n, blocks.shape[1], height, width])
    for i in range(kh):
        for j in range(kw):
            top, left = i * dh, j * dw
            result[:, :, top:top + sh * (rows - 1) + 1:sh, left:left + sw * (columns - 1) + 1:sw] += blocks[:, :, i, j]
    return result[:, :, ph:ph + output_size[0], pw:pw + output_size[1]].contiguous()


def _col2im_backward(inputs, outputs, grads, needs):
    _, _, kernel_size, dilation, padding, stride = inputs
    return (_unfolded(grads[0], kernel_size, dilation, padding, stride),) + (None,) * 5


_unfolded = Primitive(_im2col, _im2col_backward, name="Im2ColBackward0")
_folded = Primitive(_col2im, _col2im_backward, name="Col2ImBackward0")


def _check_window(kernel_size, dilation, padding, stride):
    for name, sizes, least in (("kernel size", kernel_size, 1), ("dilation", dilation, 1), ("padding", padding, 0),
                               ("stride", stride, 1)):
        if len(sizes) != 2:
            raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(sizes)}")
        if min(sizes) < least:
            raise RuntimeError(f"{name} should be {'non-negative' if least == 0 else 'greater than zero'}, but got "
                               f"{tuple(sizes)}")


@operator("im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor", **_NN,
           node="Im2ColBackward0")
def im2col(self, kernel_size, dilation, padding, stride):
    """The sliding windows of images (N, C, H, W) as columns (N, C kh kw, L).

    >>> torch._C._nn.im2col(torch.zeros(1, 3, 4, 4), (2, 2), (1, 1), (0, 0), (1, 1)).shape
    torch.Size([1, 12, 9])
    """
    _check_window(kernel_size, dilation, padding, stride)
    if self.ndim not in (3, 4) or not all(self.shape[-3:]):
        raise RuntimeError("Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
                           f"dimensions for input, but got: {list(self.shape)}")
    for axis in (0, 1):
        size = self.shape[axis - 2]
        if (size + 2 * padding[axis] - dilation[axis] * (kernel_size[axis] - 1) - 1) // stride[axis] + 1 < 1:
            raise RuntimeError(f"Given input with spatial size {tuple(self.shape[-2:])}, kernel_size={kernel_size}, "
                               f"dilation={dilation}, padding={padding}, stride={stride}, calculated shape of the "
                               "array of sliding blocks is too small (non-positive)")
    images = self if self.ndim == 4 else self.unsqueeze(0)
    result = _unfolded(images, kernel_size, dilation, padding, stride)
    return result if self.ndim == 4 else result.squeeze(0)


@operator("col2im(Tensor self, int[2] output_size, int[2] kernel_size, int[2] dilation, int[2] padding, "
          "int[2] stride) -> Tensor", **_NN, node="Col2ImBackward0")
def col2im(self, output_size, kernel_size, dilation, padding, stride):
    """Columns added back into images: the transpose of im2col.

    >>> torch._C._nn.col2im(torch.ones(1, 4, 1), (2, 2), (2, 2), (1, 1), (0, 0), (1, 1)).shape
    torch.Size([1, 1, 2, 2])
    """
    _check_window(kernel_size, dilation, padding, stride)
    if min(output_size) <= 0:
        raise RuntimeError(f"Expected output spatial size to be positive (got {tuple(output_size)})")
    if self.ndim not in (2, 3) or not all(self.shape[-2:]):
        raise RuntimeError("Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
                           f"dimensions for input, but got: {list(self.shape)}")
    area = kernel_size[0] * kernel_size[1]
    if self.shape[-2] % area:
        raise RuntimeError("Expected size of input's dimension 1 to be divisible by the product of kernel_size, but "
                           f"got input.size(1)={self.shape[-2]} and kernel_size={tuple(kernel_size)}.")
    blocks = [(size + 2 * p - d * (k - 1) - 1) // s + 1
              for size, p, d, k, s in zip(output_size, padding, dilation, kernel_size, stride)]
    if self.shape[-1] != blocks[0] * blocks[1] or min(blocks) < 1:
        raise RuntimeError(f"Given output_size={tuple(output_size)}, kernel_size={tuple(kernel_size)}, "
                           f"dilation={tuple(dilation)}, padding={tuple(padding)}, stride={tuple(stride)}, expected "
                           f"size of input's dimension 2 to match the calculated number of sliding blocks "
                           f"{blocks[0]} * {blocks[1]} = {blocks[0] * blocks[1]}, but got input.size(2)="
                           f"{self.shape[-1]}.")
    columns = self if self.ndim == 3 else self.unsqueeze(0)
    result = _folded(columns, output_size, kernel_size, dilation, padding, stride)
    return result if self.ndim == 3 else result.squeeze(0)


def _unpool(name, self, indices, output_size, spatial):
    if indices.dtype != torch.int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {dtype_name(indices.dtype)}")
    if len(output_size) != spatial:
        raise RuntimeError(f"There should be exactly {spatial} elements in output_size, but got {len(output_size)} "
                           "elements.")
    if self.ndim not in (spatial + 1, spatial + 2):
        raise RuntimeError(f"{name}: Input to max_unpool{spatial}d should be a {spatial + 1}d or {spatial + 2}d "
                           f"Tensor, but got {self.ndim} dims")
    if self.shape != indices.shape:
        raise RuntimeError(f"Expected shape of indices to be same as that of the input tensor ({list(self.shape)}) "
                           f"but got indices tensor with shape: {list(indices.shape)}")
    lead = list(self.shape[:-spatial])
    places = math.prod(output_size)
    if indices.numel() and not indices.is_meta:
        low, high = int(indices.min()), int(indices.max())
        if low < 0 or high >= places:
            raise RuntimeError(f"Found an invalid max index: {high if high >= places else low} (output volumes are of "
                               f"size {'x'.join(map(str, output_size))}")
    flat = self.new_zeros(lead + [places]).scatter(-1, indices.flatten(-spatial), self.flatten(-spatial))
    return flat.reshape(lead + list(output_size))


@operator("max_unpool2d(Tensor self, Tensor indices, int[2] output_size) -> Tensor", **_NN, node="MaxUnpool2DBackward0")
def max_unpool2d(self, indices, output_size):
    """Zeros with the values of self put at the indices that max_pool2d gave.

    >>> torch._C._nn.max_unpool2d(torch.tensor([[[5.]]]), torch.tensor([[[3]]]), (2, 2))
    tensor([[[0., 0.],
             [0., 5.]]])
    """
    return _unpool("max_unpool2d", self, indices, output_size, 2)


@operator("max_unpool3d(Tensor self, Tensor indices, int[3] output_size, int[3] stride, int[3] padding) -> Tensor",
          **_NN, node="MaxUnpool3DBackward0")
def max_unpool3d(self, indices, output_size, stride, padding):
    """Zeros with the values of self put at the indices that max_pool3d gave."""
    if min(stride) <= 0:
        raise RuntimeError(f"strides should be greater than zero, but got stride: {stride}")
    return _unpool("max_unpool3d", self, indices, output_size, 3)


def _window_starts(size, pooled, kernel, samples):
    """First index of each window along one dim, from one random number per plane (Graham 2014)."""
    if pooled == 1:
        return samples.new_full((*samples.shape, 1), size - kernel, dtype=torch.int64)
    step = (size - kernel) / (pooled - 1)
    at = torch.arange(pooled - 1, device=samples.device).to(samples.dtype)
    starts = ((at + samples.unsqueeze(-1)) * step).long() - (samples.unsqueeze(-1) * step).long()
    return torch.cat([starts, starts.new_full((*samples.shape, 1), size - kernel)], -1)


def _fractional_pool(self, kernel_size, output_size, random_samples, spatial):
    if self.ndim not in (spatial + 1, spatial + 2) or not all(self.shape[-spatial - 1:]):
        raise RuntimeError(f"fractional_max_pool{spatial}d(): Expected {spatial + 1}D or {spatial + 2}D tensor with "
                           f"non-zero sizes, but got: {list(self.shape)}")
    batched = self if self.ndim == spatial + 2 else self.unsqueeze(0)
    sizes = batched.shape[-spatial:]
    random_samples = random_samples[:batched.shape[0]]
    if tuple(random_samples.shape) != (*batched.shape[:2], spatial):
        raise RuntimeError(f"Expect _random_samples to have shape {[*batched.shape[:2], spatial]} (got "
                           f"{list(random_samples.shape)})")
    for size, kernel, pooled in zip(sizes, kernel_size, output_size):
        if pooled + kernel - 1 > size:
            raise RuntimeError(f"fractional_max_pool{spatial}d(): pool size {kernel} too large relative to input "
                               f"size {size} for output size {pooled}")
    flat = torch.zeros((), dtype=torch.int64, device=self.device)
    for axis in range(spatial):
        order = spatial - 1 - axis if spatial == 2 else axis  # in two dims the first sample is the width's
        starts = _window_starts(sizes[axis], output_size[axis], kernel_size[axis], random_samples[..., order])
        index = starts.unsqueeze(-1) + torch.arange(kernel_size[axis], device=self.device)
        shape = [*batched.shape[:2]] + [1] * (2 * spatial)
        shape[2 + axis], shape[2 + spatial + axis] = output_size[axis], kernel_size[axis]
        flat = flat * sizes[axis] + index.reshape(shape)
    places = flat.flatten(2 + spatial)
    values = batched.flatten(2).gather(2, places.flatten(2)).reshape(places.shape)
    chosen = values.argmax(-1, keepdim=True)
    result, indices = values.gather(-1, chosen).squeeze(-1), places.gather(-1, chosen).squeeze(-1)
    return (result, indices) if self.ndim == spatial + 2 else (result.squeeze(0), indices.squeeze(0))


@operator("fractional_max_pool2d(Tensor self, int[2] kernel_size, int[2] output_size, Tensor random_samples) "
          "-> (Tensor, Tensor)", **_NN, node="FractionalMaxPool2DBackward0", tie=True)
def fractional_max_pool2d(self, kernel_size, output_size, random_samples):
    """Maxima and their indices over windows placed pseudo-randomly (Graham 2014)."""
    return _fractional_pool(self, kernel_size, output_size, random_samples, 2)


@operator("fractional_max_pool3d(Tensor self, int[3] kernel_size, int[3] output_size, Tensor random_samples) "
          "-> (Tensor, Tensor)", **_NN, node="FractionalMaxPool3DBackward0", tie=True)
def fractional_max_pool3d(self, kernel_size, output_size, random_samples):
    """Maxima and their indices over windows placed pseudo-randomly (Graham 2014)."""
    return _fractional_pool(self, kernel_size, output_size, random_samples, 3)


@operator("instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
          "bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor", **_PLAIN)
def instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled):
    """Batch normalisation of each sample's channels by themselves (Ulyanov et al. 2016).

    >>> torch.instance_norm(torch.zeros(1, 2, 3), None, None, None, None, True, 0.1, 1e-5, False).shape
    torch.Size([1, 2, 3])
    """
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    n, channels = input.shape[:2]
    repeated = [None if one is None else one.repeat(n) for one in (weight, bias, running_mean, running_var)]
    rows = input.reshape(1, n * channels, *input.shape[2:])
    result = torch.batch_norm(rows, repeated[0], repeated[1], repeated[2], repeated[3], use_input_stats, momentum, eps,
                              cudnn_enabled)
    if use_input_stats:
        with torch.no_grad():
            for kept, updated in zip((running_mean, running_var), repeated[2:]):
                if kept is not None:
                    kept.copy_(updated.view(n, channels).mean(0))
    return result.reshape(input.shape)
