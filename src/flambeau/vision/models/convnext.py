"""ConvNeXt (Liu et al. 2022, arXiv 2201.03545)."""
from __future__ import annotations

from functools import partial
from typing import Any, Callable

import flambeau as torch
from flambeau import Tensor, nn

from ..ops.misc import Conv2dNormActivation, Permute
from ..ops.stochastic_depth import StochasticDepth
from ._api import model, weights

__all__ = ["ConvNeXt"]


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """A 7 x 7 convolution of each channel and two linear layers over the channels, beside a shortcut."""

    def __init__(self, dim: int, layer_scale: float, stochastic_depth_prob: float,
                 norm_layer: Callable[..., nn.Module] | None = None) -> None:
        super().__init__()
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim, bias=True),
                                   Permute([0, 2, 3, 1]), norm_layer(dim), nn.Linear(dim, 4 * dim), nn.GELU(),
                                   nn.Linear(4 * dim, dim), Permute([0, 3, 1, 2]))
        self.layer_scale = nn.Parameter(torch.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        return self.stochastic_depth(self.layer_scale * self.block(input)) + input


class ConvNeXt(nn.Module):
    """Four stages of block_setting = (channels, blocks)."""

    def __init__(self, block_setting: list[tuple[int, int]], stochastic_depth_prob: float = 0.0,
                 layer_scale: float = 1e-6, num_classes: int = 1000,
                 norm_layer: Callable[..., nn.Module] | None = None) -> None:
        super().__init__()
        norm_layer = norm_layer or partial(LayerNorm2d, eps=1e-6)
        layers: list[nn.Module] = [Conv2dNormActivation(3, block_setting[0][0], kernel_size=4, stride=4, padding=0,
                                                        norm_layer=norm_layer, activation_layer=None, bias=True)]
        total, done = sum(n for _, n in block_setting), 0
        for i, (channels, n) in enumerate(block_setting):
            stage = []
            for _ in range(n):
                stage.append(CNBlock(channels, layer_scale, stochastic_depth_prob * done / (total - 1.0)))
                done += 1
            layers.append(nn.Sequential(*stage))
            if i + 1 < len(block_setting):
                layers.append(nn.Sequential(norm_layer(channels),
                                            nn.Conv2d(channels, block_setting[i + 1][0], kernel_size=2, stride=2)))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = block_setting[-1][0]
        self.classifier = nn.Sequential(norm_layer(last), nn.Flatten(1), nn.Linear(last, num_classes))
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(m.weight, std=0.02)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


for _name, _width, _deep, _drop, _file, _resize in (
        ("Tiny", 96, 9, 0.1, "983f1562", 236), ("Small", 96, 27, 0.4, "0c510722", 230),
        ("Base", 128, 27, 0.5, "6075fbad", 232), ("Large", 192, 27, 0.5, "ea097f82", 232)):
    _kind, _lower = f"ConvNeXt_{_name}_Weights", f"convnext_{_name.lower()}"
    _setting: Any = [(_width, 3), (2 * _width, 3), (4 * _width, _deep), (8 * _width, 3)]
    globals()[_kind] = weights(_kind, __name__, IMAGENET1K_V1=(f"{_lower}-{_file}.pth", 224, _resize))
    globals()[_lower] = model(_lower, __name__, ConvNeXt, globals()[_kind], block_setting=_setting,
                              stochastic_depth_prob=_drop)
    __all__ += [_lower, _kind]
