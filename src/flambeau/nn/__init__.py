"""torch.nn: modules, their functions, initial values and tools."""

from . import functional, init
from . import modules as modules
from .modules import Module
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

# Loaded when first asked for, as are the classes.
_SUBPACKAGES = ("utils", "parallel", "attention", "grad", "common_types")

__all__ = [*modules.__all__, "Buffer", "DataParallel", "Parameter", "UninitializedBuffer", "UninitializedParameter",
           "factory_kwargs", "functional", "init", "modules", "parallel", "parameter", "utils"]


def factory_kwargs(kwargs: dict | None) -> dict:
    """The device, dtype and memory_format among `kwargs`, with those of kwargs["factory_kwargs"]; others are errors.

    >>> torch.nn.factory_kwargs({"dtype": torch.float64})
    {'dtype': torch.float64}
    """
    if kwargs is None:
        return {}
    simple = {"device", "dtype", "memory_format"}
    allowed = simple | {"factory_kwargs"}
    if not kwargs.keys() <= allowed:
        raise TypeError(f"unexpected kwargs {kwargs.keys() - allowed}")
    made = dict(kwargs.get("factory_kwargs", {}))
    for key in simple:
        if key in kwargs:
            if key in made:
                raise TypeError(f"{key} specified twice, in **kwargs and in factory_kwargs")
            made[key] = kwargs[key]
    return made


def __getattr__(name: str):
    if name in modules._FILE_OF:
        value = getattr(modules, name)
    elif name in ("DataParallel",):
        from .parallel import DataParallel as value
    elif name in _SUBPACKAGES:
        import importlib

        return importlib.import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBPACKAGES})
