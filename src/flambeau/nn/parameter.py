"""Parameter and Buffer: the tensors a Module registers on assignment, and their uninitialised (lazy) forms."""

from __future__ import annotations

from collections import OrderedDict

import flambeau as torch
from flambeau import Tensor, _C


class _ParameterMeta(type(Tensor)):
    # A parameter made of another tensor subclass keeps that class and carries a mark instead.
    def __instancecheck__(self, instance) -> bool:
        if self is Parameter and isinstance(instance, Tensor) and getattr(instance, "_is_param", False):
            return True
        return super().__instancecheck__(instance)


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that a Module counts among its parameters when it is assigned as an attribute.

    >>> layer = torch.nn.Module()
    >>> layer.scale = torch.nn.Parameter(torch.ones(2))
    >>> [name for name, _ in layer.named_parameters()]
    ['scale']
    """

    def __new__(cls, data=None, requires_grad: bool = True):
        if data is None:
            data = torch.empty(0)
        if type(data) is Tensor or type(data) is Parameter:
            return Tensor._make_subclass(cls, data, requires_grad)
        made = data.detach().requires_grad_(requires_grad)
        if type(made) is not type(data):
            message = (
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() "
                f"returns an instance of the same type, but return type {type(made).__name__} was found instead."
            )
            raise RuntimeError(message)
        made._is_param = True
        return made

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(self.data.clone(memory_format=torch.preserve_format), self.requires_grad)
        memo[id(self)] = result
        return result

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol):
        state = torch._utils._get_obj_state(self)
        hooks: OrderedDict = OrderedDict()  # backward hooks are not saved
        if not state:
            return torch._utils._rebuild_parameter, (self.data, self.requires_grad, hooks)
        return torch._utils._rebuild_parameter_with_state, (self.data, self.requires_grad, hooks, state)

    __torch_function__ = _C._disabled_torch_function_impl


torch._C._set_parameter_type(Parameter)  # operators take it as they take a plain Tensor


class UninitializedTensorMixin:
    """What a lazy parameter or buffer can do before its shape is known: change dtype and device, be loaded, wait."""

    _allowed_names = ("__hash__", "size", "copy_", "is_complex", "is_floating_point", "half", "float", "double", "char",
                      "short", "int", "long", "cuda", "cpu", "to", "get_device", "_has_compatible_shallow_copy_type",
                      "bfloat16", "requires_grad_")

    def materialize(self, shape, device=None, dtype=None) -> None:
        """Allocate memory for `shape` (not initialised) and become an ordinary Parameter or buffer in place."""
        self.data = torch.empty(shape, device=device or self.data.device, dtype=dtype or self.data.dtype)
        self.__class__ = self.cls_to_become

    @property
    def shape(self):
        raise RuntimeError("Can't access the shape of an uninitialized parameter or buffer. It is usually read while "
                           "`load_state_dict` fills an initialized module from a lazy one; call `forward` once to "
                           "initialize the parameters first.")

    def share_memory_(self):
        raise RuntimeError("Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize "
                           "the parameters before calling `module.share_memory()`.")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        memo[id(self)] = result
        return result

    def __reduce_ex__(self, protocol):
        return type(self), (self.requires_grad,)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in cls._allowed_names or type(func).__name__ == "method-wrapper" or name in ("__get__", "__set__"):
            return super().__torch_function__(func, types, args, kwargs or {})
        raise ValueError(
            f"Attempted to use an uninitialized parameter in {func}. This happens with a `LazyModule` (or a "
            "hand-made UninitializedParameter) before its first `forward`; run `forward` with a dummy "
            "batch to initialize the parameters."
        )


def is_lazy(param) -> bool:
    """True for a parameter or buffer that still has no shape."""
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter without a shape; `materialize(shape)` turns it into a Parameter.

    >>> p = torch.nn.UninitializedParameter()
    >>> p.materialize((2, 3))
    >>> type(p).__name__, tuple(p.shape)
    ('Parameter', (2, 3))
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device=None, dtype=None):
        return Tensor._make_subclass(cls, torch.empty(0, device=device, dtype=dtype), requires_grad)


class _BufferMeta(type(Tensor)):
    def __instancecheck__(self, instance) -> bool:
        if self is Buffer and isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False):
            return True
        return super().__instancecheck__(instance)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that a Module registers as a buffer on assignment; the result is an ordinary tensor with a mark.

    >>> m = torch.nn.Module()
    >>> m.mean = torch.nn.Buffer(torch.zeros(2), persistent=False)
    >>> list(m.state_dict()), len(list(m.buffers()))
    ([], 1)
    """

    def __new__(cls, data=None, *, persistent: bool = True):
        if data is None:
            data = torch.empty(0)
        made = data.detach().requires_grad_(data.requires_grad)
        made.persistent = persistent
        made._is_buffer = True
        return made

    __torch_function__ = _C._disabled_torch_function_impl


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer without a shape; `materialize(shape)` turns it into a tensor."""

    cls_to_become = Tensor

    def __new__(cls, requires_grad: bool = False, device=None, dtype=None, persistent: bool = True):
        made = Tensor._make_subclass(cls, torch.empty(0, device=device, dtype=dtype), requires_grad)
        made.persistent = persistent
        made._is_buffer = True
        return made
