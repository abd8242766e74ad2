"""All module classes. Those of less used files are loaded when they are first asked for."""

from .activation import *  # noqa: F403
from .activation import __all__ as _activation
from .batchnorm import *  # noqa: F403
from .batchnorm import __all__ as _batchnorm
from .container import *  # noqa: F403
from .container import __all__ as _container
from .conv import *  # noqa: F403
from .conv import __all__ as _conv
from .dropout import *  # noqa: F403
from .dropout import __all__ as _dropout
from .linear import *  # noqa: F403
from .linear import __all__ as _linear
from .loss import *  # noqa: F403
from .loss import __all__ as _loss
from .module import Module
from .normalization import *  # noqa: F403
from .normalization import __all__ as _normalization
from .pooling import *  # noqa: F403
from .pooling import __all__ as _pooling
from .shape import *  # noqa: F403
from .shape import __all__ as _shape
from .sparse import *  # noqa: F403
from .sparse import __all__ as _sparse

_LATER = {
    **dict.fromkeys(("CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
                     "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d",
                     "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d"), "padding"),
    **dict.fromkeys(("RNNBase", "RNN", "LSTM", "GRU", "RNNCellBase", "RNNCell", "LSTMCell", "GRUCell"), "rnn"),
    **dict.fromkeys(("Transformer", "TransformerEncoder", "TransformerDecoder", "TransformerEncoderLayer",
                     "TransformerDecoderLayer"), "transformer"),
    "MultiheadAttention": "attention",
    "AdaptiveLogSoftmaxWithLoss": "adaptive",
}

_LOADED = ("Module", *_activation, *_batchnorm, *_container, *_conv, *_dropout, *_linear, *_loss, *_normalization,
           *_pooling, *_shape, *_sparse)
__all__ = [*_LOADED, *_LATER]

_FILES = ("padding", "rnn", "transformer", "attention", "adaptive", "sync_batchnorm", "flatten", "fold", "pixelshuffle",
          "channelshuffle", "upsampling", "distance", "instancenorm", "lazy")


def __getattr__(name: str):
    import importlib

    if name in _LATER:
        value = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
    elif name in _FILES:
        return importlib.import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
