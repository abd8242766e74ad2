"""SqueezeNet (Iandola et al. 2016, arXiv 1602.07360)."""
from __future__ import annotations

import flambeau as torch
from flambeau import Tensor, nn

from ._api import model, weights

__all__ = ["SqueezeNet", "SqueezeNet1_0_Weights", "SqueezeNet1_1_Weights", "squeezenet1_0", "squeezenet1_1"]


class Fire(nn.Module):
    """A narrow 1 x 1 convolution that feeds a 1 x 1 and a 3 x 3 one side by side."""

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        return torch.cat([self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))], 1)


# the first convolution's channels and size, the squeezed channels of each Fire, the Fires that a pooling follows
_VERSIONS = {"1_0": (96, 7, (16, 16, 32, 32, 48, 48, 64, 64), (2, 6)),
             "1_1": (64, 3, (16, 16, 32, 32, 48, 48, 64, 64), (1, 3))}


class SqueezeNet(nn.Module):
    """Fires with poolings between them; a convolution gives the classes."""

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        if version not in _VERSIONS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        self.num_classes = num_classes
        channels, size, squeezed, pooled = _VERSIONS[version]
        layers: list[nn.Module] = [nn.Conv2d(3, channels, kernel_size=size, stride=2), nn.ReLU(inplace=True),
                                   nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)]
        for i, n in enumerate(squeezed):
            layers.append(Fire(channels, n, 4 * n, 4 * n))
            channels = 8 * n
            if i in pooled:
                layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1)))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                if m is last:
                    nn.init.normal_(m.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.classifier(self.features(x)), 1)


SqueezeNet1_0_Weights = weights("SqueezeNet1_0_Weights", __name__, IMAGENET1K_V1=("squeezenet1_0-b66bff10.pth", 224))
SqueezeNet1_1_Weights = weights("SqueezeNet1_1_Weights", __name__, IMAGENET1K_V1=("squeezenet1_1-b8a52dc0.pth", 224))
squeezenet1_0 = model("squeezenet1_0", __name__, SqueezeNet, SqueezeNet1_0_Weights, version="1_0")
squeezenet1_1 = model("squeezenet1_1", __name__, SqueezeNet, SqueezeNet1_1_Weights, version="1_1")
