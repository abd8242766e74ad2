"""Models for pictures, with torchvision's names, arguments and names of weights.

>>> import flambeau as torch
>>> from flambeau.vision import models
>>> models.alexnet(num_classes=5)(torch.zeros(2, 3, 64, 64)).shape
torch.Size([2, 5])
"""
from . import alexnet as _alexnet
from . import convnext, densenet, efficientnet, inception, mobilenet, resnet, vgg, vision_transformer
from . import googlenet as _googlenet
from . import squeezenet as squeezenet
from ._api import Weights, WeightsEnum, get_model, get_model_builder, get_model_weights, get_weight, list_models
from .alexnet import *  # noqa: F403
from .convnext import *  # noqa: F403
from .densenet import *  # noqa: F403
from .efficientnet import *  # noqa: F403
from .googlenet import *  # noqa: F403
from .inception import *  # noqa: F403
from .mobilenet import *  # noqa: F403
from .resnet import *  # noqa: F403
from .squeezenet import *  # noqa: F403
from .vgg import *  # noqa: F403
from .vision_transformer import *  # noqa: F403

__all__ = ["Weights", "WeightsEnum", "get_model", "get_model_builder", "get_model_weights", "get_weight", "list_models",
           "convnext", "densenet", "efficientnet", "inception", "mobilenet", "resnet", "squeezenet", "vgg",
           "vision_transformer", *_alexnet.__all__, *convnext.__all__, *densenet.__all__, *efficientnet.__all__,
           *_googlenet.__all__, *inception.__all__, *mobilenet.__all__, *resnet.__all__, *squeezenet.__all__,
           *vgg.__all__, *vision_transformer.__all__]
