"""EfficientNet (Tan and Le 2019, arXiv 1905.11946)."""
from __future__ import annotations

import math
from functools import partial
from typing import Any, Callable

import flambeau as torch
from flambeau import Tensor, nn

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ..ops.stochastic_depth import StochasticDepth
from ._api import model, weights
from .mobilenet import _make_divisible

__all__ = ["EfficientNet"]

# widening, kernel, stride, channels in and out, repeats: of B0
_SETTING = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3), (6, 5, 1, 80, 112, 3),
            (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1)]


class MBConv(nn.Module):
    """Widen, convolve each channel, weigh the channels, narrow; training drops whole blocks at random."""

    def __init__(self, expand_ratio: float, kernel: int, stride: int, input_channels: int, out_channels: int,
                 stochastic_depth_prob: float, norm_layer: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.use_res_connect = stride == 1 and input_channels == out_channels
        expanded = _make_divisible(input_channels * expand_ratio, 8)
        layers: list[nn.Module] = []
        if expanded != input_channels:
            layers.append(Conv2dNormActivation(input_channels, expanded, kernel_size=1, norm_layer=norm_layer,
                                               activation_layer=nn.SiLU))
        layers += [Conv2dNormActivation(expanded, expanded, kernel_size=kernel, stride=stride, groups=expanded,
                                        norm_layer=norm_layer, activation_layer=nn.SiLU),
                   SqueezeExcitation(expanded, max(1, input_channels // 4), activation=partial(nn.SiLU, inplace=True)),
                   Conv2dNormActivation(expanded, out_channels, kernel_size=1, norm_layer=norm_layer,
                                        activation_layer=None)]
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = out_channels

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        return self.stochastic_depth(result) + input if self.use_res_connect else result


class EfficientNet(nn.Module):
    """B0's rows with channels times width_mult and repeats times depth_mult."""

    def __init__(self, width_mult: float, depth_mult: float, dropout: float, stochastic_depth_prob: float = 0.2,
                 num_classes: int = 1000, norm_layer: Callable[..., nn.Module] | None = None) -> None:
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        scaled = [(t, k, s, _make_divisible(i * width_mult, 8), _make_divisible(o * width_mult, 8),
                   int(math.ceil(n * depth_mult))) for t, k, s, i, o, n in _SETTING]
        layers: list[nn.Module] = [Conv2dNormActivation(3, scaled[0][3], kernel_size=3, stride=2, norm_layer=norm_layer,
                                                        activation_layer=nn.SiLU)]
        total, done = sum(row[-1] for row in scaled), 0
        for t, k, s, i, o, n in scaled:
            stage = []
            for j in range(n):
                stage.append(MBConv(t, k, s if j == 0 else 1, i if j == 0 else o, o,
                                    stochastic_depth_prob * done / total, norm_layer))
                done += 1
            layers.append(nn.Sequential(*stage))
        last = scaled[-1][4]
        layers.append(Conv2dNormActivation(last, 4 * last, kernel_size=1, norm_layer=norm_layer,
                                           activation_layer=nn.SiLU))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(4 * last, num_classes))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out")
                if m.bias is not None:
                    nn.init.zeros_(m.bias)
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.ones_(m.weight)
                nn.init.zeros_(m.bias)
            elif isinstance(m, nn.Linear):
                bound = 1.0 / math.sqrt(m.out_features)
                nn.init.uniform_(m.weight, -bound, bound)
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


_fine: Any = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
for _n, _width, _depth, _drop, _norm, _versions in (
        (0, 1.0, 1.0, 0.2, None, {"V1": ("_rwightman-7f5810bc", 224, 256, "bicubic")}),
        (1, 1.0, 1.1, 0.2, None, {"V1": ("_rwightman-bac287d4", 240, 256, "bicubic"), "V2": ("-c27df63c", 240, 255)}),
        (2, 1.1, 1.2, 0.3, None, {"V1": ("_rwightman-c35c1473", 288, 288, "bicubic")}),
        (3, 1.2, 1.4, 0.3, None, {"V1": ("_rwightman-b3899882", 300, 320, "bicubic")}),
        (4, 1.4, 1.8, 0.4, None, {"V1": ("_rwightman-23ab8bcd", 380, 384, "bicubic")}),
        (5, 1.6, 2.2, 0.4, _fine, {"V1": ("_lukemelas-1a07897c", 456, 456, "bicubic")}),
        (6, 1.8, 2.6, 0.5, _fine, {"V1": ("_lukemelas-24a108a5", 528, 528, "bicubic")}),
        (7, 2.0, 3.1, 0.5, _fine, {"V1": ("_lukemelas-c5b4e57e", 600, 600, "bicubic")})):
    _name, _kind = f"efficientnet_b{_n}", f"EfficientNet_B{_n}_Weights"
    _files: dict[str, Any] = {f"IMAGENET1K_{v}": (_name + file[0] + ".pth", *file[1:]) for v, file in _versions.items()}  # type: ignore[attr-defined]
    globals()[_kind] = weights(_kind, __name__, **_files)
    globals()[_name] = model(_name, __name__, EfficientNet, globals()[_kind], width_mult=_width, depth_mult=_depth,
                             dropout=_drop, norm_layer=_norm)
    __all__ += [_name, _kind]
