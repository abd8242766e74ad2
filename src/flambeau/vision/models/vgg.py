"""VGG (Simonyan and Zisserman 2014, arXiv 1409.1556), with and without batch normalisation."""
from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau import Tensor, nn

from ._api import model, weights

__all__ = ["VGG"]


class VGG(nn.Module):
    """3 x 3 convolutions in five groups, then three linear layers."""

    def __init__(self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True,
                 dropout: float = 0.5) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(nn.Linear(512 * 7 * 7, 4096), nn.ReLU(True), nn.Dropout(p=dropout),
                                        nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(p=dropout),
                                        nn.Linear(4096, num_classes))
        if init_weights:
            for m in self.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                    nn.init.zeros_(m.bias)
                elif isinstance(m, nn.BatchNorm2d):
                    nn.init.ones_(m.weight)
                    nn.init.zeros_(m.bias)
                elif isinstance(m, nn.Linear):
                    nn.init.normal_(m.weight, 0, 0.01)
                    nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def make_layers(cfg: list[str | int], batch_norm: bool = False) -> nn.Sequential:
    """The convolutions of a list of channels, in which "M" halves the size."""
    layers: list[nn.Module] = []
    channels = 3
    for v in cfg:
        if isinstance(v, str):
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, v, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(v))
        layers.append(nn.ReLU(inplace=True))
        channels = v
    return nn.Sequential(*layers)


def _cfg(*repeats: int) -> list[str | int]:
    layers: list[str | int] = []
    for channels, repeat in zip((64, 128, 256, 512, 512), repeats):
        layers += [channels] * repeat
        layers.append("M")
    return layers


cfgs: dict[str, list[str | int]] = {"A": _cfg(1, 1, 2, 2, 2), "B": _cfg(2, 2, 2, 2, 2), "D": _cfg(2, 2, 3, 3, 3),
                                    "E": _cfg(2, 2, 4, 4, 4)}


def _vgg(cfg: str, batch_norm: bool, **kwargs: Any) -> VGG:
    return VGG(make_layers(cfgs[cfg], batch_norm), **kwargs)


for _name, _letter, _plain, _normed in (("vgg11", "A", "8a719046", "6002323d"), ("vgg13", "B", "19584684", "abd245e5"),
                                        ("vgg16", "D", "397923af", "6c64b313"), ("vgg19", "E", "dcbb9e9d", "c79401a0")):
    for _bn, _file in ((False, _plain), (True, _normed)):
        _full = _name + ("_bn" if _bn else "")
        _kind = _full.upper() + "_Weights"
        _weights = globals()[_kind] = weights(_kind, __name__, IMAGENET1K_V1=(f"{_full}-{_file}.pth", 224))
        globals()[_full] = model(_full, __name__, _vgg, _weights, cfg=_letter, batch_norm=_bn)
        __all__ += [_full, _kind]
