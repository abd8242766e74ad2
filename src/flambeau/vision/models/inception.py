"""Inception 3 (Szegedy et al. 2015, arXiv 1512.00567), for pictures of 299 x 299 (75 x 75 at least)."""
from __future__ import annotations

from collections import namedtuple
from typing import Any

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import Tensor, nn

from ._api import model, weights
from .googlenet import BasicConv2d, to_half_range

__all__ = ["Inception3", "InceptionOutputs", "Inception_V3_Weights", "inception_v3"]

InceptionOutputs = namedtuple("InceptionOutputs", ["logits", "aux_logits"])


def _square(size: int) -> dict[str, Any]:
    return {"kernel_size": size, "padding": size // 2}


def _row(size: int) -> dict[str, Any]:
    return {"kernel_size": (1, size), "padding": (0, size // 2)}


def _column(size: int) -> dict[str, Any]:
    return {"kernel_size": (size, 1), "padding": (size // 2, 0)}


class _Branches(nn.Module):
    """Named convolutions, made in order; `paths` says which run one after another and then side by side."""

    paths: tuple[tuple[str, ...], ...]
    pool: str

    def __init__(self, in_channels: int, **convolutions: tuple[int | None, int, dict]) -> None:
        super().__init__()
        before = in_channels
        for name, (inputs, outputs, options) in convolutions.items():
            self.add_module(name, BasicConv2d(inputs or in_channels, outputs, **options))
            before = outputs
        self.out_channels = before

    def _run(self, x: Tensor, names: tuple[str, ...]) -> Tensor:
        for name in names:
            x = getattr(self, name)(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.avg_pool2d(x, 3, 1, 1) if self.pool == "average" else F.max_pool2d(x, 3, 2)
        parts = [self._run(x, path) for path in self.paths]
        return torch.cat([*parts, self.branch_pool(pooled) if self.pool == "average" else pooled], 1)


class InceptionA(_Branches):
    pool = "average"
    paths = (("branch1x1",), ("branch5x5_1", "branch5x5_2"), ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"))

    def __init__(self, in_channels: int, pool_features: int) -> None:
        super().__init__(in_channels, branch1x1=(None, 64, _square(1)), branch5x5_1=(None, 48, _square(1)),
                         branch5x5_2=(48, 64, _square(5)), branch3x3dbl_1=(None, 64, _square(1)),
                         branch3x3dbl_2=(64, 96, _square(3)), branch3x3dbl_3=(96, 96, _square(3)),
                         branch_pool=(None, pool_features, _square(1)))


class InceptionB(_Branches):
    pool = "max"
    paths = (("branch3x3",), ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"))

    def __init__(self, in_channels: int) -> None:
        halve = {"kernel_size": 3, "stride": 2}
        super().__init__(in_channels, branch3x3=(None, 384, halve), branch3x3dbl_1=(None, 64, _square(1)),
                         branch3x3dbl_2=(64, 96, _square(3)), branch3x3dbl_3=(96, 96, halve))


class InceptionC(_Branches):
    pool = "average"
    paths = (("branch1x1",), ("branch7x7_1", "branch7x7_2", "branch7x7_3"),
             tuple(f"branch7x7dbl_{i}" for i in range(1, 6)))

    def __init__(self, in_channels: int, channels_7x7: int) -> None:
        c = channels_7x7
        super().__init__(in_channels, branch1x1=(None, 192, _square(1)), branch7x7_1=(None, c, _square(1)),
                         branch7x7_2=(c, c, _row(7)), branch7x7_3=(c, 192, _column(7)),
                         branch7x7dbl_1=(None, c, _square(1)), branch7x7dbl_2=(c, c, _column(7)),
                         branch7x7dbl_3=(c, c, _row(7)), branch7x7dbl_4=(c, c, _column(7)),
                         branch7x7dbl_5=(c, 192, _row(7)), branch_pool=(None, 192, _square(1)))


class InceptionD(_Branches):
    pool = "max"
    paths = (("branch3x3_1", "branch3x3_2"), ("branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4"))

    def __init__(self, in_channels: int) -> None:
        halve = {"kernel_size": 3, "stride": 2}
        super().__init__(in_channels, branch3x3_1=(None, 192, _square(1)), branch3x3_2=(192, 320, halve),
                         branch7x7x3_1=(None, 192, _square(1)), branch7x7x3_2=(192, 192, _row(7)),
                         branch7x7x3_3=(192, 192, _column(7)), branch7x7x3_4=(192, 192, halve))


class InceptionE(_Branches):
    """Branches that fork at their end."""

    pool = "average"

    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels, branch1x1=(None, 320, _square(1)), branch3x3_1=(None, 384, _square(1)),
                         branch3x3_2a=(384, 384, _row(3)), branch3x3_2b=(384, 384, _column(3)),
                         branch3x3dbl_1=(None, 448, _square(1)), branch3x3dbl_2=(448, 384, _square(3)),
                         branch3x3dbl_3a=(384, 384, _row(3)), branch3x3dbl_3b=(384, 384, _column(3)),
                         branch_pool=(None, 192, _square(1)))

    def forward(self, x: Tensor) -> Tensor:
        one = self.branch3x3_1(x)
        two = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return torch.cat([self.branch1x1(x), self.branch3x3_2a(one), self.branch3x3_2b(one), self.branch3x3dbl_3a(two),
                          self.branch3x3dbl_3b(two), self.branch_pool(F.avg_pool2d(x, 3, 1, 1))], 1)


class InceptionAux(nn.Module):
    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv0 = BasicConv2d(in_channels, 128, kernel_size=1)
        self.conv1 = BasicConv2d(128, 768, kernel_size=5)
        self.conv1.stddev = 0.01
        self.fc = nn.Linear(768, num_classes)
        self.fc.stddev = 0.001

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.conv0(F.avg_pool2d(x, kernel_size=5, stride=3)))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


class Inception3(nn.Module):
    """With aux_logits, training gives InceptionOutputs: the classes, and those of a classifier half-way."""

    trained_arguments = {"transform_input": True, "init_weights": False}

    def __init__(self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
                 init_weights: bool | None = None, dropout: float = 0.5) -> None:
        super().__init__()
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.Conv2d_1a_3x3 = BasicConv2d(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = BasicConv2d(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = BasicConv2d(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = BasicConv2d(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = BasicConv2d(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = InceptionA(192, pool_features=32)
        self.Mixed_5c = InceptionA(256, pool_features=64)
        self.Mixed_5d = InceptionA(288, pool_features=64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(768, channels_7x7=128)
        self.Mixed_6c = InceptionC(768, channels_7x7=160)
        self.Mixed_6d = InceptionC(768, channels_7x7=160)
        self.Mixed_6e = InceptionC(768, channels_7x7=192)
        self.AuxLogits = InceptionAux(768, num_classes) if aux_logits else None
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280)
        self.Mixed_7c = InceptionE(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights or init_weights is None:
            for m in self.modules():
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    nn.init.trunc_normal_(m.weight, mean=0.0, std=float(getattr(m, "stddev", 0.1)), a=-2, b=2)
                elif isinstance(m, nn.BatchNorm2d):
                    nn.init.ones_(m.weight)
                    nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Any:
        if self.transform_input:
            x = to_half_range(x)
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        aux = self.AuxLogits(x) if self.AuxLogits is not None and self.training else None
        x = self.avgpool(self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))))
        x = self.fc(torch.flatten(self.dropout(x), 1))
        return InceptionOutputs(x, aux) if self.training and self.aux_logits else x


Inception_V3_Weights = weights("Inception_V3_Weights", __name__,
                               IMAGENET1K_V1=("inception_v3_google-0cc3c7bd.pth", 299, 342))
inception_v3 = model("inception_v3", __name__, Inception3, Inception_V3_Weights)
