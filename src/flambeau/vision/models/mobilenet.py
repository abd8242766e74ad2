"""MobileNet 2 (Sandler et al. 2018, arXiv 1801.04381) and 3 (Howard et al. 2019, arXiv 1905.02244)."""
from __future__ import annotations

from functools import partial
from typing import Any, Callable

import flambeau as torch
from flambeau import Tensor, nn

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import model, weights

__all__ = ["MobileNetV2", "MobileNetV3", "MobileNet_V2_Weights", "MobileNet_V3_Large_Weights",
           "MobileNet_V3_Small_Weights", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"]


def _make_divisible(v: float, divisor: int, min_value: int | None = None) -> int:
    """The multiple of divisor next to v, but not below 0.9 v."""
    rounded = max(min_value or divisor, int(v + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * v else rounded


def _initialize(module: nn.Module) -> None:
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out")
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
            nn.init.ones_(m.weight)
            nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, 0, 0.01)
            nn.init.zeros_(m.bias)


class InvertedResidual(nn.Module):
    """Widen by expand_ratio, convolve each channel, narrow again; the shortcut joins the narrow ends."""

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int,
                 norm_layer: Callable[..., nn.Module] | None = None) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        self.stride = stride
        norm_layer = norm_layer or nn.BatchNorm2d
        hidden = int(round(inp * expand_ratio))
        self.use_res_connect = stride == 1 and inp == oup
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, hidden, kernel_size=1, norm_layer=norm_layer,
                                               activation_layer=nn.ReLU6))
        layers += [Conv2dNormActivation(hidden, hidden, stride=stride, groups=hidden, norm_layer=norm_layer,
                                        activation_layer=nn.ReLU6),
                   nn.Conv2d(hidden, oup, 1, 1, 0, bias=False), norm_layer(oup)]
        self.conv = nn.Sequential(*layers)
        self.out_channels = oup
        self._is_cn = stride > 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """inverted_residual_setting lists expansion, channels, repeats and stride."""

    def __init__(self, num_classes: int = 1000, width_mult: float = 1.0,
                 inverted_residual_setting: list[list[int]] | None = None, round_nearest: int = 8,
                 block: Callable[..., nn.Module] | None = None, norm_layer: Callable[..., nn.Module] | None = None,
                 dropout: float = 0.2) -> None:
        super().__init__()
        block, norm_layer = block or InvertedResidual, norm_layer or nn.BatchNorm2d
        setting = inverted_residual_setting or [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2],
                                                [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]]
        if len(setting[0]) != 4:
            raise ValueError("inverted_residual_setting should be non-empty or a 4-element list, got "
                             f"{inverted_residual_setting}")
        channels = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [Conv2dNormActivation(3, channels, stride=2, norm_layer=norm_layer,
                                                          activation_layer=nn.ReLU6)]
        for t, c, n, s in setting:
            out = _make_divisible(c * width_mult, round_nearest)
            for i in range(n):
                features.append(block(channels, out, s if i == 0 else 1, expand_ratio=t, norm_layer=norm_layer))
                channels = out
        features.append(Conv2dNormActivation(channels, self.last_channel, kernel_size=1, norm_layer=norm_layer,
                                             activation_layer=nn.ReLU6))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes))
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


class _ResidualV3(nn.Module):
    """Version 3's block: with squeeze and excitation, and another activation, in some."""

    def __init__(self, inp: int, kernel: int, hidden: int, out: int, use_se: bool, activation: str, stride: int,
                 dilation: int, norm_layer: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.use_res_connect = stride == 1 and inp == out
        act = nn.Hardswish if activation == "HS" else nn.ReLU
        layers: list[nn.Module] = []
        if hidden != inp:
            layers.append(Conv2dNormActivation(inp, hidden, kernel_size=1, norm_layer=norm_layer, activation_layer=act))
        layers.append(Conv2dNormActivation(hidden, hidden, kernel_size=kernel, stride=1 if dilation > 1 else stride,
                                           dilation=dilation, groups=hidden, norm_layer=norm_layer,
                                           activation_layer=act))
        if use_se:
            layers.append(SqueezeExcitation(hidden, _make_divisible(hidden // 4, 8), scale_activation=nn.Hardsigmoid))
        layers.append(Conv2dNormActivation(hidden, out, kernel_size=1, norm_layer=norm_layer, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.out_channels = out
        self._is_cn = stride > 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.use_res_connect else self.block(x)


_ResidualV3.__name__ = _ResidualV3.__qualname__ = "InvertedResidual"

# channels in, kernel, widened, out, squeeze and excitation, activation, stride
_LARGE = [(16, 3, 16, 16, 0, "RE", 1), (16, 3, 64, 24, 0, "RE", 2), (24, 3, 72, 24, 0, "RE", 1),
          (24, 5, 72, 40, 1, "RE", 2), (40, 5, 120, 40, 1, "RE", 1), (40, 5, 120, 40, 1, "RE", 1),
          (40, 3, 240, 80, 0, "HS", 2), (80, 3, 200, 80, 0, "HS", 1), (80, 3, 184, 80, 0, "HS", 1),
          (80, 3, 184, 80, 0, "HS", 1), (80, 3, 480, 112, 1, "HS", 1), (112, 3, 672, 112, 1, "HS", 1),
          (112, 5, 672, 160, 1, "HS", 2), (160, 5, 960, 160, 1, "HS", 1), (160, 5, 960, 160, 1, "HS", 1)]
_SMALL = [(16, 3, 16, 16, 1, "RE", 2), (16, 3, 72, 24, 0, "RE", 2), (24, 3, 88, 24, 0, "RE", 1),
          (24, 5, 96, 40, 1, "HS", 2), (40, 5, 240, 40, 1, "HS", 1), (40, 5, 240, 40, 1, "HS", 1),
          (40, 5, 120, 48, 1, "HS", 1), (48, 5, 144, 48, 1, "HS", 1), (48, 5, 288, 96, 1, "HS", 2),
          (96, 5, 576, 96, 1, "HS", 1), (96, 5, 576, 96, 1, "HS", 1)]


class MobileNetV3(nn.Module):
    """Rows of settings, then two linear layers of which the first has last_channel outputs."""

    def __init__(self, setting: list[tuple], last_channel: int, num_classes: int = 1000, dropout: float = 0.2,
                 width_mult: float = 1.0, norm_layer: Callable[..., nn.Module] | None = None,
                 reduced_tail: bool = False, dilated: bool = False) -> None:
        super().__init__()
        norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        scale: Callable[[float], int] = lambda c: _make_divisible(c * width_mult, 8)  # noqa: E731
        reduce = 2 if reduced_tail else 1
        first = scale(setting[0][0])
        layers: list[nn.Module] = [Conv2dNormActivation(3, first, kernel_size=3, stride=2, norm_layer=norm_layer,
                                                        activation_layer=nn.Hardswish)]
        out = first
        for i, (inp, kernel, hidden, out, se, activation, stride) in enumerate(setting):
            from_end = len(setting) - i
            if from_end <= 3:
                out //= reduce
            if from_end < 3:
                inp, hidden = inp // reduce, hidden // reduce
            layers.append(_ResidualV3(scale(inp), kernel, scale(hidden), scale(out), bool(se), activation, stride,
                                      2 if from_end <= 3 and dilated else 1, norm_layer))
        last = 6 * scale(out)
        layers.append(Conv2dNormActivation(scale(out), last, kernel_size=1, norm_layer=norm_layer,
                                           activation_layer=nn.Hardswish))
        hidden = scale(last_channel // reduce)
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(last, hidden), nn.Hardswish(inplace=True),
                                        nn.Dropout(p=dropout, inplace=True), nn.Linear(hidden, num_classes))
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def _files(name: str, first: str, second: str | None = None) -> dict[str, Any]:
    files: dict[str, Any] = {"IMAGENET1K_V1": (f"{name}-{first}.pth", 224)}
    if second:
        files["IMAGENET1K_V2"] = (f"{name}-{second}.pth", 224, 232)
    return files


MobileNet_V2_Weights = weights("MobileNet_V2_Weights", __name__, **_files("mobilenet_v2", "b0353104", "7ebf99e0"))
MobileNet_V3_Large_Weights = weights("MobileNet_V3_Large_Weights", __name__,
                                     **_files("mobilenet_v3_large", "8738ca79", "5c1a4163"))
MobileNet_V3_Small_Weights = weights("MobileNet_V3_Small_Weights", __name__, **_files("mobilenet_v3_small", "047dcff4"))
mobilenet_v2 = model("mobilenet_v2", __name__, MobileNetV2, MobileNet_V2_Weights)
mobilenet_v3_large = model("mobilenet_v3_large", __name__, MobileNetV3, MobileNet_V3_Large_Weights, setting=_LARGE,
                           last_channel=1280)
mobilenet_v3_small = model("mobilenet_v3_small", __name__, MobileNetV3, MobileNet_V3_Small_Weights, setting=_SMALL,
                           last_channel=1024)
