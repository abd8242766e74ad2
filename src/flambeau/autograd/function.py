"""Functions with a gradient of their own: Function and the context handed to forward and backward.

`class F(Function)` with static forward(ctx, ...) and backward(ctx, ...) is used as F.apply(...); so are the form with
setup_context(ctx, inputs, output), and the early instance form `F()(...)`, whose object is its own context.

The native side provides the base type `torch._C._FunctionBase` (a node of the graph that is a Python object), and
    _apply_function(node, args, outputs, dirty, non_differentiable) -> outputs
        makes node the creator of the outputs, with an edge for every argument; the engine will call
        node._run_backward(gradients) and, when the graph is released, node._release()
    _SavedTensor(tensor, is_output), .unpack(node)
        a value kept for backward, with its version check and the saved-tensor hooks in force.
"""
from __future__ import annotations

import functools

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

__all__ = ["Function", "FunctionCtx", "NestedIOFunction", "once_differentiable", "InplaceFunction"]

_dual_level: Any = None  # forward_ad's level, where one is entered

_FREED = ("Trying to backward through the graph a second time (or directly access saved tensors after they have "
          "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
          "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if "
          "you need to access saved tensors after calling backward.")


class FunctionCtx:
    """What forward leaves for backward. Any attribute may be set on it; tensors go through save_for_backward."""

    _to_save: tuple = ()
    _saved: Any = ()            # _SavedTensor or None for each; None as a whole once the graph was released
    _dirty: tuple = ()
    _non_differentiable: tuple = ()
    _for_forward: tuple = ()
    _materialize_grads = True
    needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (or None) for backward, as ctx.saved_tensors; changes in place are detected."""
        self._to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors for jvp (forward-mode differentiation)."""
        for tensor in tensors:
            if not (tensor is None or isinstance(tensor, torch.Tensor)):
                raise AssertionError("save_for_forward expects all arguments to be tensors; you should save "
                                     "non-tensors as attributes on ctx.")
        self._for_forward = tensors

    def mark_dirty(self, *args: Any) -> None:
        """Say which inputs forward changed in place; they must be among its outputs."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Any) -> None:
        """Say which outputs have no gradient."""
        self._non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing gradients reach backward as zeros (the default) or as None."""
        self._materialize_grads = value

    @property
    def materialize_grads(self) -> bool:
        return self._materialize_grads

    @materialize_grads.setter
    def materialize_grads(self, value: bool) -> None:
        self._materialize_grads = value

    @property
    def to_save(self) -> tuple:
        """The tensors given to save_for_backward (early name)."""
        return self._to_save or self.saved_tensors

    @property
    def dirty_tensors(self) -> tuple | None:
        return self._dirty or None

    @property
    def non_differentiable(self) -> tuple | None:
        return self._non_differentiable or None

    @property
    def saved_for_forward(self) -> tuple:
        return self._for_forward

    @property
    def saved_tensors(self) -> tuple:
        """The tensors of save_for_backward; RuntimeError if one was changed since or the graph was freed."""
        saved = self._saved
        if saved is None:
            raise RuntimeError(_FREED)
        return tuple([None if s is None else s.unpack(self) for s in saved]) if saved else self._to_save

    @property
    def saved_variables(self) -> tuple:
        """Early name of saved_tensors."""
        import warnings
        warnings.warn("'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2)
        return self.saved_tensors


_ContextMethodMixin = FunctionCtx


def _tensor_grads_error(name: str, index: int, got: Any) -> TypeError:
    return TypeError(f"{name}: expected a Variable or None as gradient {index}, got {type(got).__name__}")


class _Node(FunctionCtx, torch._C._FunctionBase):
    """A node whose gradient is computed in Python: the context of a static Function, or an instance of an early one."""

    _forward_cls: Any = None
    _legacy = False
    _count = 0                      # arguments of forward
    _outputs_meta: tuple = ()       # (shape, dtype, device) of each output, None for what is no tensor
    _input_shapes: tuple = ()

    def _backward_function(self) -> Callable:
        cls = self._forward_cls
        backward, vjp = cls.backward, cls.vjp
        if backward is not Function.backward and vjp is not Function.vjp:
            raise RuntimeError("Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You "
                               "should only implement one of them.")
        return functools.partial(vjp if vjp is not Function.vjp else backward, self)

    def apply(self, *args: Any) -> Any:
        """backward of this node, on gradients given by hand."""
        return self._backward_function()(*args)

    def _node_name(self) -> str:
        return type(self).__name__

    def _run_backward(self, grads: tuple) -> tuple:
        """The engine's call: gradients of the outputs in, one gradient (or None) an argument out."""
        given, strided = [], torch.strided
        for grad, meta in zip(grads, self._outputs_meta):
            if grad is None:
                if self._materialize_grads and meta is not None:
                    grad = torch.zeros(meta[0], dtype=meta[1], device=meta[2])
            elif grad.layout is strided and 0 in grad.stride() and grad.numel() > 1:
                # An expanded gradient is one number seen many times: a write into one element must not reach all.
                grad = grad.contiguous()
            given.append(grad)
        result = self._backward_function()(*given)
        if not isinstance(result, tuple):
            result = (result,) if not isinstance(result, list) else tuple(result)
        return self._checked(result)

    def _checked(self, result: tuple) -> tuple:
        count = self._count
        if len(result) > count and all(r is None for r in result[count:]):
            result = result[:count]
        if self._legacy and len(result) < count and not any(self.needs_input_grad[len(result):]):
            result += (None,) * (count - len(result))
        name = self._node_name()
        if len(result) != count:
            raise RuntimeError(f"function {name} returned an incorrect number of gradients "
                               f"(expected {count}, got {len(result)})")
        out = []
        for i, (grad, needed) in enumerate(zip(result, self.needs_input_grad)):
            if grad is not None and not isinstance(grad, torch.Tensor):
                raise _tensor_grads_error(name, i, grad)
            if not needed:
                if grad is not None and self._input_shapes[i] is None:
                    raise RuntimeError(f"function {name} returned a gradient different than None at position {i + 1}, "
                                       "but the corresponding forward input was not a Variable")
                grad = None
            elif self._legacy and grad is not None and grad.shape != self._input_shapes[i] \
                    and grad.numel() == self._input_shapes[i].numel():
                # Early PyTorch had no 0-dim tensors: what is one number here had shape (1,) there.
                grad = grad.reshape(self._input_shapes[i])
            out.append(grad)
        return tuple(out)

    def _release(self) -> None:
        """The graph is freed: forget what was saved."""
        self._saved = None
        self._to_save = ()


class BackwardCFunction(_Node):
    """Base of the nodes of static functions; each Function has a subclass NAMEBackward."""


class FunctionMeta(type):
    """Gives every Function the class of its nodes, named after it."""

    def __init__(cls, name: str, bases: tuple, attrs: dict) -> None:
        super().__init__(name, bases, attrs)
        cls._backward_cls = type(name + "Backward", (BackwardCFunction,), {"_forward_cls": cls})


def _prepare(node: Any, args: tuple) -> bool:
    """Note on the node what is known of the arguments; True if a gradient will be wanted."""
    tensor = torch.Tensor
    node.needs_input_grad = needs = tuple([isinstance(a, tensor) and a.requires_grad for a in args])
    return True in needs and torch.is_grad_enabled()


def _finish(node: Any, args: tuple, output: Any, recording: bool) -> Any:
    """Connect the outputs of a forward that ran with gradients off to the node."""
    tensor = torch.Tensor
    single = not isinstance(output, tuple)
    outputs = (output,) if single else output
    if not recording:
        return output
    node._count = len(args)
    node._input_shapes = tuple([a.shape if isinstance(a, tensor) else None for a in args])
    outputs = torch._C._apply_function(node, args, outputs, node._dirty, node._non_differentiable)
    node._outputs_meta = tuple([(o.shape, o.dtype, o.device) if isinstance(o, tensor) else None for o in outputs])
    node._saved = _save(node, outputs)
    node._to_save = ()
    return outputs[0] if single else outputs


def _save(node: Any, outputs: tuple) -> tuple:
    saved: list = []
    for value in node._to_save:
        if value is None:
            saved.append(None)
        elif isinstance(value, torch.Tensor):
            # An output is held without its node, which would hold itself alive otherwise. mark_dirty and returned
            # inputs may have replaced the object, so the connected one is what counts.
            own = any(o is value for o in outputs)
            saved.append(torch._C._SavedTensor(value, own))
        else:
            raise TypeError(f"save_for_backward can only save variables, but argument {len(saved)} is of type "
                            f"{type(value).__name__}")
    return tuple(saved)


class Function(_Node, metaclass=FunctionMeta):
    """Base class of operations with a hand-written gradient.

    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         return grad * 2
    >>> x = torch.ones(2, requires_grad=True)
    >>> Double.apply(x).sum().backward(); x.grad
    tensor([2., 2.])
    """

    generate_vmap_rule = False

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """forward(ctx, *args) -> output(s), or forward(*args) where setup_context is defined."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        """Save what backward needs; with it, forward takes no ctx."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """backward(ctx, *gradients of the outputs) -> gradient(s) of the inputs."""
        raise NotImplementedError("You must implement either the backward or vjp method for your custom "
                                  "autograd.Function to use it with backward mode AD.")

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The forward-mode derivative."""
        raise NotImplementedError("You must implement the jvp function for custom autograd.Function to use it with "
                                  "forward mode AD.")

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """The batched form for torch.func.vmap."""
        raise NotImplementedError("To use autograd.Function with vmap, you must either override the vmap staticmethod "
                                  "or set generate_vmap_rule=True.")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward and record its gradient."""
        with_setup = cls.setup_context is not Function.setup_context
        if kwargs:
            args = _bind(cls.forward, with_setup, args, kwargs)
        node = cls._backward_cls()
        recording = _prepare(node, args)
        enabled = torch.is_grad_enabled()
        torch._C._set_grad_enabled(False)
        try:
            if with_setup:
                output = cls.forward(*args)
                cls.setup_context(node, args, output)
            else:
                output = cls.forward(node, *args)
        finally:
            torch._C._set_grad_enabled(enabled)
        if _dual_level is not None and cls.jvp is not Function.jvp:
            duals = _dual_level.through_jvp(cls, node, args, output)
            if duals is not NotImplemented:
                return duals
        return _finish(node, args, output, recording)

    # -- the early instance style -------------------------------------------------------------------------------------

    _legacy = True
    _used = False

    def __call__(self, *args: Any) -> Any:
        """F()(...) of early PyTorch: forward and backward are methods, self is the context."""
        node = self
        if self._used:
            # Another call of the same object gets a context of its own, with the same attributes.
            node = type(self).__new__(type(self))
            node.__dict__.update((k, v) for k, v in self.__dict__.items() if k not in _STATE)
        node._used = True
        recording = _prepare(node, args)
        with torch.no_grad():
            plain = tuple([a.detach() if isinstance(a, torch.Tensor) and a.requires_grad else a for a in args])
            output = node.forward(*plain)
        back = {id(p): a for p, a in zip(plain, args)}
        node._to_save = tuple([back.get(id(t), t) for t in node._to_save])
        node._dirty = tuple([back.get(id(t), t) for t in node._dirty])
        if isinstance(output, tuple):
            output = tuple([back.get(id(o), o) for o in output])
        else:
            output = back.get(id(output), output)
        result = _finish(node, args, output, recording)
        if recording:
            # Results of such calls kept their gradient.
            for o in result if isinstance(result, tuple) else (result,):
                if isinstance(o, torch.Tensor) and o.requires_grad:
                    o.retain_grad()
        return result

    def _backward_function(self) -> Callable:
        def run(*grads: Any) -> Any:
            with torch.no_grad():
                return self.backward(*grads)

        return run

    @property
    def saved_tensors(self) -> tuple:
        """The tensors of save_for_backward, without history: the early style computed on plain values."""
        return tuple([t.detach() if isinstance(t, torch.Tensor) and t.requires_grad else t
                      for t in FunctionCtx.saved_tensors.__get__(self)])


_STATE = frozenset(["_used", "_to_save", "_saved", "_dirty", "_non_differentiable", "_for_forward", "_count",
                    "_outputs_meta", "_input_shapes", "needs_input_grad"])


def _bind(forward: Callable, with_setup: bool, args: tuple, kwargs: dict) -> tuple:
    """Positional arguments from a call with keywords; defaults are filled in."""
    import inspect
    signature = inspect.signature(forward)
    if not with_setup:
        parameters = list(signature.parameters.values())[1:]
        signature = signature.replace(parameters=parameters)
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


def once_differentiable(fn: Callable) -> Callable:
    """Decorator for a backward that cannot itself be differentiated: doing so raises RuntimeError."""

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        with torch.no_grad():
            outputs = fn(ctx, *args)
        if not torch.is_grad_enabled():
            return outputs
        if not any(isinstance(a, torch.Tensor) and a.requires_grad for a in args):
            return outputs
        single = not isinstance(outputs, tuple)
        listed = (outputs,) if single else outputs
        marked = tuple([_Barrier.apply(o, *args) if isinstance(o, torch.Tensor) else o for o in listed])
        return marked[0] if single else marked

    return wrapper


class _Barrier(Function):
    """Passes its first argument on; raises when a gradient comes back through it."""

    @staticmethod
    def forward(ctx: Any, value: Any, *sources: Any) -> Any:
        return value.detach()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


class InplaceFunction(Function):
    """A Function with an inplace flag (early style)."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """A Function over nested tuples, lists and dicts: override forward_extended and backward_extended."""

    _nested_input: Any = None
    _nested_output: Any = None

    def __call__(self, *input: Any) -> Any:
        from flambeau.utils import _pytree
        leaves, self._nested_input = _pytree.tree_flatten(input)
        flat = super().__call__(*leaves)
        return _pytree.tree_unflatten(list(flat) if isinstance(flat, tuple) else [flat], self._nested_output)

    def forward(self, *args: Any) -> Any:  # type: ignore[override]
        from flambeau.utils import _pytree
        output = self.forward_extended(*_pytree.tree_unflatten(list(args), self._nested_input))
        leaves, self._nested_output = _pytree.tree_flatten(output)
        return tuple(leaves)

    def backward(self, *gradients: Any) -> Any:  # type: ignore[override]
        from flambeau.utils import _pytree
        grads = self.backward_extended(_pytree.tree_unflatten(list(gradients), self._nested_output))
        return tuple(_pytree.tree_flatten(grads)[0])

    def forward_extended(self, *input: Any) -> Any:
        """The operation on nested inputs."""
        raise NotImplementedError

    def backward_extended(self, *grad_output: Any) -> Any:
        """Its gradient."""
        raise NotImplementedError


def _is_setup_context_defined(fn: Callable) -> bool:
    return fn is not Function.setup_context
