"""How models are named, listed and given trained weights: get_model, list_models, and enumerations of weights."""
from __future__ import annotations

import enum
import fnmatch
import functools
import types
from typing import Any, Callable, Iterable, Mapping

from flambeau import hub

_ADDRESS = "https://download.pytorch.org/models/"
_models: dict[str, Callable] = {}
_enumerations: dict[str, type] = {}


class Weights:
    """Where trained weights are (url), and the transforms that their pictures went through."""

    def __init__(self, url: str, transforms: Callable, meta: Mapping[str, Any]) -> None:
        self.url, self.transforms, self.meta = url, transforms, meta


class WeightsEnum(enum.Enum):
    """The sets of trained weights of one model; DEFAULT is the best of them."""

    @classmethod
    def verify(cls, value: Any) -> Any:
        """The member that a member or its name means; None for None. TypeError for another model's weights."""
        if value is None or isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls[value.replace(cls.__name__ + ".", "")]
        raise TypeError(f"Invalid Weight class provided; expected {cls.__name__} but received "
                        f"{value.__class__.__name__}.")

    def get_state_dict(self, progress: bool = True, check_hash: bool = True, **kwargs: Any) -> Mapping[str, Any]:
        """The weights: downloaded once, then taken from hub's folder."""
        return hub.load_state_dict_from_url(self.url, progress=progress, check_hash=check_hash, **kwargs)

    @property
    def url(self) -> str:
        """The address of the file."""
        return self.value.url

    @property
    def transforms(self) -> Callable:
        """Makes the transforms."""
        return self.value.transforms

    @property
    def meta(self) -> Mapping[str, Any]:
        """The number of classes and the like."""
        return self.value.meta


def weights(name: str, module: str, **members: tuple) -> Any:
    """An enumeration: each member's file, size of the crop, and (unless 256 and bilinear) size before it and interpolation."""
    from flambeau.vision.transforms import InterpolationMode
    from flambeau.vision.transforms._presets import ImageClassification

    values: dict[str, Any] = {}
    for member, (file, crop, *rest) in members.items():
        resize, interpolation = (*rest, None, None)[:2]
        options: dict[str, Any] = {"crop_size": crop, "resize_size": resize or 256,
                                   "interpolation": InterpolationMode(interpolation or "bilinear")}
        values[member] = Weights(_ADDRESS + file, functools.partial(ImageClassification, **options), {})
    made: Any = WeightsEnum(name, {**values, "DEFAULT": list(values.values())[-1]}, module=module)
    _enumerations[name] = made
    return made


def model(name: str, module: str, make: Callable, kinds: Any = None, **fixed: Any) -> Callable:
    """The function that makes a model: name(*, weights=None, progress=True, **arguments of make)."""

    def build(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> Any:
        if "pretrained" in kwargs:
            weights = weights or ("DEFAULT" if kwargs.pop("pretrained") else None)
        if kinds is None:
            if weights is not None:
                raise ValueError(f"{name}: there are no trained weights (got weights={weights!r})")
            return make(**{**fixed, **kwargs})
        chosen = kinds.verify(weights)
        built = make(**{**fixed, **kwargs}) if chosen is None else make(**{**fixed, **kwargs}, **trained(make))
        if chosen is not None:
            built.load_state_dict(chosen.get_state_dict(progress=progress))
        return built

    build.__name__ = build.__qualname__ = name
    build.__module__ = module
    build.__doc__ = f"A {name} without weights, or with trained ones: weights=\"DEFAULT\" or a member of {name}'s enumeration."
    build.weights = kinds  # type: ignore[attr-defined]
    _models[name] = build
    return build


def trained(make: Callable) -> dict[str, Any]:
    """What a model's class wants to be told when weights will be loaded."""
    return getattr(make, "trained_arguments", {})


def list_models(module: types.ModuleType | None = None, include: Iterable[str] | str | None = None,
                exclude: Iterable[str] | str | None = None) -> list[str]:
    """The names of models, of one module and by patterns such as "resnet*".

    >>> from flambeau.vision import models
    >>> models.list_models(include="resnet*")
    ['resnet101', 'resnet152', 'resnet18', 'resnet34', 'resnet50']
    """
    names = {n for n, f in _models.items() if module is None or f.__module__.rsplit(".", 1)[0] == module.__name__
             or f.__module__ == module.__name__}
    if include:
        patterns = [include] if isinstance(include, str) else include
        names = {n for n in names for pattern in patterns if fnmatch.fnmatch(n, pattern)}
    if exclude:
        patterns = [exclude] if isinstance(exclude, str) else exclude
        names = {n for n in names if not any(fnmatch.fnmatch(n, pattern) for pattern in patterns)}
    return sorted(names)


def get_model_builder(name: str) -> Callable:
    """The function of a name. ValueError for unknown ones."""
    try:
        return _models[name.lower()]
    except KeyError:
        raise ValueError(f"Unknown model {name}") from None


def get_model(name: str, **config: Any) -> Any:
    """A model by its name.

    >>> from flambeau.vision import models
    >>> type(models.get_model("resnet18", num_classes=10)).__name__
    'ResNet'
    """
    return get_model_builder(name)(**config)


def get_model_weights(name: Callable | str) -> Any:
    """The enumeration of a model's weights."""
    return (get_model_builder(name) if isinstance(name, str) else name).weights  # type: ignore[attr-defined]


def get_weight(name: str) -> WeightsEnum:
    """A member by its full name, such as "ResNet50_Weights.DEFAULT"."""
    kind, _, member = name.partition(".")
    if kind not in _enumerations:
        raise ValueError(f"Unable to find weight enumeration {kind}")
    return _enumerations[kind][member]
