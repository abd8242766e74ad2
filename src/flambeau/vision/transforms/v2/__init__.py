"""The second generation of transforms: they take samples of any structure and change the picture in it.

The picture is a sample's Pillow picture, else its first tensor; labels and everything else pass through. Boxes and
masks that would have to move with the picture are not known here: a sample with two pictures is refused. Pictures as
tensors are plain tensors, also where torchvision makes them `tv_tensors.Image`.
"""
from __future__ import annotations

from typing import Any, Callable, Sequence

import flambeau as torch

from ..._pillow import is_picture
from .. import transforms as _single
from ..functional import InterpolationMode
from . import functional

_PICTURES = ("CenterCrop", "ColorJitter", "ConvertImageDtype", "FiveCrop", "GaussianBlur", "Grayscale", "LinearTransformation",
             "Normalize", "Pad", "PILToTensor", "RandomAdjustSharpness", "RandomAffine", "RandomAutocontrast", "RandomCrop",
             "RandomEqualize", "RandomErasing", "RandomGrayscale", "RandomHorizontalFlip", "RandomInvert",
             "RandomPosterize", "RandomResizedCrop", "RandomRotation", "RandomSolarize", "RandomVerticalFlip", "Resize",
             "TenCrop", "ToPILImage", "ToTensor")

__all__ = ["Compose", "CutMix", "Identity", "InterpolationMode", "Lambda", "MixUp", "RandomApply", "RandomChoice",
           "RandomOrder", "RGB", "ToDtype", "ToImage", "ToPureTensor", "Transform", "functional", *_PICTURES]


def _changed(sample: Any, function: Callable) -> Any:
    """A sample with the function applied to its picture."""
    import numpy

    from flambeau.utils import _pytree

    leaves, spec = _pytree.tree_flatten(sample)
    found = [i for i, leaf in enumerate(leaves) if is_picture(leaf)]
    if len(found) > 1:
        raise NotImplementedError(f"transforms.v2: a sample has one picture (got {len(found)}); pictures that change "
                                  "together, such as masks, are not supported")
    if not found:
        found = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)][:1] \
            or [i for i, leaf in enumerate(leaves) if isinstance(leaf, numpy.ndarray)][:1]
    for i in found:
        leaves[i] = function(leaves[i])
    return _pytree.tree_unflatten(leaves, spec)


class Transform(torch.nn.Module):
    """Base of own transforms: override transform(inpt, params), and make_params(flat_inputs) for what is random."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.transform is not implemented")

    def forward(self, *inputs: Any) -> Any:
        from flambeau.utils import _pytree

        sample = inputs if len(inputs) > 1 else inputs[0]
        params = self.make_params(_pytree.tree_flatten(sample)[0])
        return _changed(sample, lambda picture: self.transform(picture, params))

    def extra_repr(self) -> str:
        return ", ".join(f"{k}={v}" for k, v in self.__dict__.items()
                         if not k.startswith("_") and k != "training" and isinstance(v, (bool, int, float, str, tuple, list)))


def _for_samples(name: str) -> type:
    base = getattr(_single, name)

    def forward(self: Any, *inputs: Any) -> Any:
        run = base.forward if hasattr(base, "forward") else base.__call__
        return _changed(inputs if len(inputs) > 1 else inputs[0], lambda picture: run(self, picture))

    return type(name, (base,), {"__doc__": base.__doc__, "__module__": __name__,
                                "forward" if hasattr(base, "forward") else "__call__": forward})


for _name in _PICTURES:
    globals()[_name] = _for_samples(_name)


class Compose(Transform):
    """Transforms one after another.

    >>> import flambeau as torch
    >>> from flambeau.vision.transforms import v2
    >>> make = v2.Compose([v2.Resize((4, 4)), v2.ToDtype(torch.float32, scale=True)])
    >>> picture, label = make(torch.full((3, 8, 8), 255, dtype=torch.uint8), 7)
    >>> picture.shape, picture.max(), label
    (torch.Size([3, 4, 4]), tensor(1.), 7)
    """

    def __init__(self, transforms: Sequence[Callable]) -> None:
        super().__init__()
        if not transforms:
            raise ValueError("Pass at least one transform")
        self.transforms = transforms

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        for transform in self._chosen():
            sample = transform(*sample) if isinstance(sample, tuple) and len(inputs) > 1 else transform(sample)
        return sample

    def _chosen(self) -> Sequence[Callable]:
        return self.transforms

    def extra_repr(self) -> str:
        return "\n".join(f"  {transform}" for transform in self.transforms)


class RandomApply(Compose):
    """All of them, or none, with probability p."""

    def __init__(self, transforms: Sequence[Callable], p: float = 0.5) -> None:
        super().__init__(transforms)
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def _chosen(self) -> Sequence[Callable]:
        return () if torch.rand(1) >= self.p else self.transforms


class RandomChoice(Compose):
    """One of them, drawn by weights p."""

    def __init__(self, transforms: Sequence[Callable], p: list[float] | None = None) -> None:
        super().__init__(transforms)
        if p is not None and len(p) != len(transforms):
            raise ValueError(f"Length of p doesn't match the number of transforms: {len(p)} != {len(transforms)}")
        p = p or [1] * len(transforms)
        self.p = [x / sum(p) for x in p]

    def _chosen(self) -> Sequence[Callable]:
        return (self.transforms[int(torch.multinomial(torch.tensor(self.p), 1))],)


class RandomOrder(Compose):
    """All of them, in a random order."""

    def _chosen(self) -> Sequence[Callable]:
        return [self.transforms[int(i)] for i in torch.randperm(len(self.transforms))]


class Lambda(Transform):
    """A function applied to every member of the sample of the given types (all without any)."""

    def __init__(self, lambd: Callable, *types: type) -> None:
        super().__init__()
        self.lambd, self.types = lambd, types or (object,)

    def forward(self, *inputs: Any) -> Any:
        from flambeau.utils import _pytree

        return _pytree.tree_map(lambda x: self.lambd(x) if isinstance(x, self.types) else x,
                                inputs if len(inputs) > 1 else inputs[0])


class Identity(Transform):
    """Nothing changes."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt


class ToImage(Transform):
    """A Pillow picture or an array (H, W, C) as a tensor (C, H, W), values unchanged."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        import numpy

        if isinstance(inpt, numpy.ndarray):
            array = inpt[:, :, None] if inpt.ndim == 2 else inpt
            return torch.from_numpy(array).permute(2, 0, 1).contiguous()
        return functional.pil_to_tensor(inpt) if is_picture(inpt) else inpt


class ToPureTensor(Identity):
    """Pictures are plain tensors already."""


class ToDtype(Transform):
    """A tensor as dtype; with scale, from the range of its type to the range of the other. dtype may be a dict."""

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        self.dtype, self.scale = dtype, scale

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        dtype = self.dtype.get(torch.Tensor, self.dtype.get("others")) if isinstance(self.dtype, dict) else self.dtype
        if not isinstance(inpt, torch.Tensor) or dtype is None:
            return inpt
        return functional.convert_image_dtype(inpt, dtype) if self.scale else inpt.to(dtype)


class RGB(Transform):
    """A picture of one channel with three."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if is_picture(inpt):
            return inpt.convert("RGB")
        return inpt.expand(*inpt.shape[:-3], 3, *inpt.shape[-2:]) if inpt.shape[-3] == 1 else inpt


class _Mixed(Transform):
    """Batches (N, C, H, W) whose pictures are mixed with their neighbours', and their labels in the same share."""

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None) -> None:
        super().__init__()
        self.alpha, self.num_classes = float(alpha), num_classes
        self._dist = torch.distributions.Beta(torch.tensor([alpha]), torch.tensor([alpha]))

    def _mix(self, batch: Any, share: float) -> tuple[Any, float]:
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        batch, labels = inputs if len(inputs) > 1 else inputs[0]
        if batch.dim() != 4:
            raise ValueError(f"Expected a batched input with 4 dims, but got {batch.dim()} dimensions instead.")
        if labels.dim() == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are class indices")
        mixed, share = self._mix(batch, float(self._dist.sample(())))
        if labels.dim() == 1:
            labels = torch.nn.functional.one_hot(labels, num_classes=self.num_classes)
        if not labels.dtype.is_floating_point:
            labels = labels.float()
        return mixed, labels.roll(1, 0).mul_(1.0 - share).add_(labels.mul(share))


class MixUp(_Mixed):
    """Weighted means of neighbours (Zhang et al. 2017, arXiv 1710.09412)."""

    def _mix(self, batch: Any, share: float) -> tuple[Any, float]:
        return batch.roll(1, 0).mul_(1.0 - share).add_(batch.mul(share)), share


class CutMix(_Mixed):
    """A rectangle of the neighbour in each (Yun et al. 2019, arXiv 1905.04899)."""

    def _mix(self, batch: Any, share: float) -> tuple[Any, float]:
        height, width = batch.shape[-2:]
        x, y = int(torch.randint(width, size=(1,))), int(torch.randint(height, size=(1,)))
        half = 0.5 * (1.0 - share) ** 0.5
        half_width, half_height = int(half * width), int(half * height)
        x1, x2 = max(x - half_width, 0), min(x + half_width, width)
        y1, y2 = max(y - half_height, 0), min(y + half_height, height)
        mixed = batch.clone()
        mixed[..., y1:y2, x1:x2] = batch.roll(1, 0)[..., y1:y2, x1:x2]
        return mixed, 1.0 - (x2 - x1) * (y2 - y1) / (width * height)
