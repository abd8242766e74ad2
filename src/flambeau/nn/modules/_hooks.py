"""Hooks of modules: how they are registered, and the slow form of calling a module that runs them."""

from __future__ import annotations

import warnings
from collections import OrderedDict

from flambeau import Tensor

# Hooks on every module. The names are what programs that clear or inspect them use.
_global_backward_pre_hooks: OrderedDict = OrderedDict()
_global_backward_hooks: OrderedDict = OrderedDict()
_global_is_full_backward_hook: bool | None = None
_global_forward_pre_hooks: OrderedDict = OrderedDict()
_global_forward_hooks: OrderedDict = OrderedDict()
_global_forward_hooks_always_called: OrderedDict = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict = OrderedDict()
_global_buffer_registration_hooks: OrderedDict = OrderedDict()
_global_module_registration_hooks: OrderedDict = OrderedDict()
_global_parameter_registration_hooks: OrderedDict = OrderedDict()

_call_hook_tables = (
    _global_backward_pre_hooks,
    _global_backward_hooks,
    _global_forward_pre_hooks,
    _global_forward_hooks,
)


def _has_any_global_hook() -> bool:
    return any(_call_hook_tables)


def _add(table: OrderedDict, hook, prepend: bool = False, flags: tuple = ()):
    """Put `hook` into `table` (and its id into each of the `flags` tables); the handle removes it from all of them."""
    from flambeau.utils.hooks import RemovableHandle

    handle = RemovableHandle(table, extra_dict=list(flags))
    table[handle.id] = hook
    for flag in flags:
        flag[handle.id] = True
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def register_module_buffer_registration_hook(hook):
    """Call `hook(module, name, buffer)` at every register_buffer; a result replaces the buffer."""
    return _add(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook):
    """Call `hook(module, name, submodule)` whenever a module is registered; a result replaces it."""
    return _add(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook):
    """Call `hook(module, name, param)` whenever a parameter is registered; a result replaces it."""
    return _add(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook):
    """Call `hook(module, args)` before the forward of every module."""
    return _add(_global_forward_pre_hooks, hook)


def register_module_forward_hook(hook, *, with_kwargs: bool = False, always_call: bool = False):
    """Call `hook(module, args, output)` after the forward of every module."""
    flags = ([_global_forward_hooks_with_kwargs] if with_kwargs else []) + (
        [_global_forward_hooks_always_called] if always_call else [])
    return _add(_global_forward_hooks, hook, flags=tuple(flags))


def register_module_backward_hook(hook):
    """The old form of `register_module_full_backward_hook`."""
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is True:
        raise RuntimeError("Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
                           "Please use only one of them.")
    _global_is_full_backward_hook = False
    return _add(_global_backward_hooks, hook)


def register_module_full_backward_pre_hook(hook):
    """Call `hook(module, grad_output)` before the gradients of every module are computed."""
    return _add(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook):
    """Call `hook(module, grad_input, grad_output)` once the gradients of a module's inputs are known."""
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is False:
        raise RuntimeError("Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
                           "Please use only one of them.")
    _global_is_full_backward_hook = True
    return _add(_global_backward_hooks, hook)


class _WrappedHook:
    """A hook that is handed its module first; holds the module weakly, and survives pickling."""

    def __init__(self, hook, module=None) -> None:
        import functools
        import weakref

        self.hook = hook
        functools.update_wrapper(self, hook)
        self.with_module = module is not None
        if self.with_module:
            self.module = weakref.ref(module)

    def __call__(self, *args, **kwargs):
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict:
        state = {"hook": self.hook, "with_module": self.with_module}
        if self.with_module:
            state["module"] = self.module()
        return state

    def __setstate__(self, state: dict) -> None:
        import weakref

        self.hook = state["hook"]
        self.with_module = state["with_module"]
        if self.with_module:
            if state["module"] is None:
                raise RuntimeError("You are trying to revive the hook of a dead Module!")
            self.module = weakref.ref(state["module"])


class HookMixin:
    """The register_* methods of Module for hooks around forward and backward."""

    def register_forward_pre_hook(self, hook, *, prepend: bool = False, with_kwargs: bool = False):
        """Call `hook(module, args)` before forward; a result that is not None replaces the arguments.

        With `with_kwargs`, the hook is called as `hook(module, args, kwargs)` and returns None or (args, kwargs).

        >>> layer = torch.nn.Identity()
        >>> handle = layer.register_forward_pre_hook(lambda module, args: args[0] + 1)
        >>> layer(torch.zeros(2))
        tensor([1., 1.])
        >>> handle.remove()
        """
        self.__dict__["_hooked"] = True
        return _add(
            self._forward_pre_hooks, hook, prepend, (self._forward_pre_hooks_with_kwargs,) if with_kwargs else ()
        )

    def register_forward_hook(
        self, hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ):
        """Call `hook(module, args, output)` after forward; a result that is not None replaces the output.

        `with_kwargs`: `hook(module, args, kwargs, output)`. `always_call`: also when forward raises.
        """
        self.__dict__["_hooked"] = True
        flags = ([self._forward_hooks_with_kwargs] if with_kwargs else []) + (
            [self._forward_hooks_always_called] if always_call else [])
        return _add(self._forward_hooks, hook, prepend, tuple(flags))

    def register_full_backward_pre_hook(self, hook, prepend: bool = False):
        """Call `hook(module, grad_output)` before the module's gradients are computed; a result replaces it."""
        self.__dict__["_hooked"] = True
        return _add(self._backward_pre_hooks, hook, prepend)

    def register_backward_hook(self, hook):
        """The old form of `register_full_backward_hook`: sees the gradients of the last operation only."""
        if self._is_full_backward_hook is True:
            raise RuntimeError("Cannot use both regular backward hooks and full backward hooks on a single Module. "
                               "Please use only one of them.")
        self._is_full_backward_hook = False
        self.__dict__["_hooked"] = True
        return _add(self._backward_hooks, hook)

    def register_full_backward_hook(self, hook, prepend: bool = False):
        """Call `hook(module, grad_input, grad_output)` when the gradients of the module's inputs have been computed.

        A result that is not None replaces grad_input. Inputs and outputs must not be changed in place.
        """
        if self._is_full_backward_hook is False:
            raise RuntimeError("Cannot use both regular backward hooks and full backward hooks on a single Module. "
                               "Please use only one of them.")
        self._is_full_backward_hook = True
        self.__dict__["_hooked"] = True
        return _add(self._backward_hooks, hook, prepend)

    def _get_backward_hooks(self) -> tuple[list, list]:
        full: list = []
        regular: list = []
        if _global_backward_hooks:
            (full if _global_is_full_backward_hook else regular).extend(_global_backward_hooks.values())
        if self._backward_hooks:
            (full if self._is_full_backward_hook else regular).extend(self._backward_hooks.values())
        return full, regular

    def _get_backward_pre_hooks(self) -> list:
        return [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]


def call_with_hooks(self, args: tuple, kwargs: dict):
    """Call the module with all its hooks."""
    compiled = self._compiled_call_impl
    if compiled is not None:
        return compiled(*args, **kwargs)
    return _call_impl(self, *args, **kwargs)


def _call_impl(self, *args, **kwargs):
    if not (self._backward_hooks or self._backward_pre_hooks or self._forward_hooks or self._forward_pre_hooks
            or any(_call_hook_tables)):
        return self.forward(*args, **kwargs)
    called: set[int] = set()
    state: list = [args, kwargs, None]
    try:
        return _run_hooks(self, state, called)
    except Exception:
        # Hooks registered with always_call see the failing call too; their own errors must not hide the first one.
        for always, flags, hooks in (
            (_global_forward_hooks_always_called, _global_forward_hooks_with_kwargs, _global_forward_hooks),
            (self._forward_hooks_always_called, self._forward_hooks_with_kwargs, self._forward_hooks),
        ):
            for key, hook in list(hooks.items()):
                if key not in always or key in called:
                    continue
                try:
                    given = (state[0], state[1]) if key in flags else (state[0],)
                    changed = hook(self, *given, state[2])
                    if changed is not None:
                        state[2] = changed
                except Exception as error:
                    kind = "global module" if hooks is _global_forward_hooks else "module"
                    warnings.warn(
                        f"{kind} forward hook with ``always_call=True`` raised an exception that was silenced "
                        f"as another error was raised in forward: {error}",
                        stacklevel=2,
                    )
        raise


def _run_hooks(self, state: list, called: set[int]):
    args, kwargs, _ = state
    full, regular = self._get_backward_hooks()
    pre = self._get_backward_pre_hooks()

    for table in (_global_forward_pre_hooks, self._forward_pre_hooks):
        for key, hook in list(table.items()):
            if key in self._forward_pre_hooks_with_kwargs:
                changed = hook(self, args, kwargs)
                if changed is not None:
                    if not (isinstance(changed, tuple) and len(changed) == 2):
                        raise RuntimeError("forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                                           f"but got {changed}.")
                    args, kwargs = changed
            else:
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)

    backward = None
    if full or pre:
        from ._backward_hooks import BackwardHook

        backward = BackwardHook(self, full, pre)
        args = backward.setup_input_hook(args)
    state[0], state[1] = args, kwargs
    result = state[2] = self.forward(*args, **kwargs)

    for table, with_kwargs in ((_global_forward_hooks, _global_forward_hooks_with_kwargs),
                               (self._forward_hooks, self._forward_hooks_with_kwargs)):
        for key, hook in list(table.items()):
            called.add(key)
            changed = hook(self, args, kwargs, result) if key in with_kwargs else hook(self, args, result)
            if changed is not None:
                result = state[2] = changed

    if backward is not None:
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn("For backward hooks to be called, module output should be a Tensor or a tuple of Tensors "
                          f"but received {type(result)}", stacklevel=3)
        result = backward.setup_output_hook(result)
    if regular:
        _attach_regular_hooks(self, regular, result)
    return result


def _attach_regular_hooks(self, hooks: list, result) -> None:
    """Old backward hooks sit on the node that made the (first) output."""
    tensor = result
    while not isinstance(tensor, Tensor):
        if isinstance(tensor, dict):
            tensor = next(value for value in tensor.values() if isinstance(value, Tensor))
        else:
            tensor = tensor[0]
    node = tensor.grad_fn
    if node is not None:
        for hook in hooks:
            node.register_hook(_WrappedHook(hook, self))
