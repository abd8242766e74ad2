"""The base class of all optimisers: parameter groups, state, hooks, saving, and the frame of a step.

`Optimizer` is what user code subclasses; `GroupOptimizer` adds the step that the optimisers of this package share:
it gathers parameters, gradients and states of a group into lists and hands them to one `_update`.
"""
from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from typing import Any, TypeAlias

Closure: TypeAlias = "Callable[[], Any]"


_PACKAGE = __name__.rpartition(".")[0]


class _RequiredParameter:
    """Marks a hyper-parameter that every group has to give (a default of `required`)."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()

_global_optimizer_pre_hooks: dict[int, Callable] = OrderedDict()
_global_optimizer_post_hooks: dict[int, Callable] = OrderedDict()


def _removable_handle(hooks_dict: dict, **kwargs: Any) -> Any:
    from flambeau.utils.hooks import RemovableHandle

    return RemovableHandle(hooks_dict, **kwargs)


def register_optimizer_step_pre_hook(hook: Callable) -> Any:
    """Call `hook(optimizer, args, kwargs)` before every step of every optimiser. Returns a handle with `remove()`."""
    handle = _removable_handle(_global_optimizer_pre_hooks)
    _global_optimizer_pre_hooks[handle.id] = hook
    return handle


def register_optimizer_step_post_hook(hook: Callable) -> Any:
    """Call `hook(optimizer, args, kwargs)` after every step of every optimiser. Returns a handle with `remove()`."""
    handle = _removable_handle(_global_optimizer_post_hooks)
    _global_optimizer_post_hooks[handle.id] = hook
    return handle


def _get_scalar_dtype(is_fused: bool | None = None) -> Any:
    """The dtype of a state's `step` counter."""
    if is_fused:
        return torch.float32
    return torch.float64 if torch.get_default_dtype() == torch.float64 else torch.float32


def _get_value(x: Any) -> Any:
    """The Python number of a one-element tensor; anything else as it is."""
    return x.item() if isinstance(x, torch.Tensor) else x


def _to_scalar(x: Any) -> Any:
    """A one-element tensor without its dimensions; anything else as it is."""
    return x.squeeze() if isinstance(x, torch.Tensor) and x.dim() != 0 else x


def _check_lr(lr: Any) -> None:
    if isinstance(lr, torch.Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


class Optimizer:
    """Keeps parameters in groups, each with its own hyper-parameters, and a state per parameter.

    Args:
        params: tensors, or dicts with a key `params` (and hyper-parameters of their own), or (name, tensor) pairs.
        defaults: hyper-parameters of groups that do not give their own.

    Subclasses implement `step(closure=None)`.

    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.5)
    >>> (w * 3).sum().backward()
    >>> optimizer.step()
    >>> w.item()
    -0.5
    """

    def __init__(self, params: Iterable, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._init_hooks()
        self._patch_step_function()
        if isinstance(params, torch.Tensor):
            raise TypeError("params argument given to the optimizer should be an iterable of Tensors or dicts, "
                            "but got " + params.type())
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)
        self._warned_capturable_if_run_uncaptured = True

    def _init_hooks(self) -> None:
        for name in _HOOK_TABLES:
            if name not in self.__dict__:
                setattr(self, name, OrderedDict())

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._init_hooks()
        self._patch_step_function()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        lines = [f"{self.__class__.__name__} ("]
        for i, group in enumerate(self.param_groups):
            if i:
                lines.append("")
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join(lines) + "\n)"

    # -- the step and its hooks

    def step(self, closure: Closure | None = None) -> Any:
        """One step of the optimiser; `closure` evaluates the model again and returns the loss."""
        raise NotImplementedError

    @staticmethod
    def profile_hook_step(func: Callable) -> Callable:
        """`func`, a class's `step`, with the pre- and post-hooks around it."""

        @functools.wraps(func)
        def wrapper(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
            if self._optimizer_step_pre_hooks or _global_optimizer_pre_hooks:
                for hook in (*_global_optimizer_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()):
                    result = hook(self, args, kwargs)
                    if result is None:
                        continue
                    if not (isinstance(result, tuple) and len(result) == 2):
                        raise RuntimeError(f"{func} must return None or a tuple of (new_args, new_kwargs), "
                                           f"but got {result}.")
                    args, kwargs = result
            out = func(self, *args, **kwargs)
            if self._optimizer_step_post_hooks or _global_optimizer_post_hooks:
                for hook in (*self._optimizer_step_post_hooks.values(), *_global_optimizer_post_hooks.values()):
                    hook(self, args, kwargs)
            return out

        return wrapper

    def _patch_step_function(self) -> None:
        self._zero_grad_profile_name = f"Optimizer.zero_grad#{self.__class__.__name__}.zero_grad"
        step = self.__class__.step
        if not getattr(step, "hooked", False):
            hooked = self.profile_hook_step(step)
            hooked.hooked = True  # type: ignore[attr-defined]
            self.__class__.step = hooked  # type: ignore[method-assign]

    def _register(self, table: str, hook: Callable, prepend: bool = False) -> Any:
        hooks = getattr(self, table)
        handle = _removable_handle(hooks)
        hooks[handle.id] = hook
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def register_step_pre_hook(self, hook: Callable) -> Any:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return changed `(args, kwargs)`."""
        return self._register("_optimizer_step_pre_hooks", hook)

    def register_step_post_hook(self, hook: Callable) -> Any:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return self._register("_optimizer_step_post_hooks", hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> Any:
        """Call `hook(optimizer)` before `state_dict`."""
        return self._register("_optimizer_state_dict_pre_hooks", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> Any:
        """Call `hook(optimizer, state_dict)` after `state_dict`; it may return another dict."""
        return self._register("_optimizer_state_dict_post_hooks", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> Any:
        """Call `hook(optimizer, state_dict)` before `load_state_dict`; it may return another dict."""
        return self._register("_optimizer_load_state_dict_pre_hooks", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> Any:
        """Call `hook(optimizer)` after `load_state_dict`."""
        return self._register("_optimizer_load_state_dict_post_hooks", hook, prepend)

    # -- gradients

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients: to None, or to zeros with `set_to_none=False`."""
        if set_to_none:
            for group in self.param_groups:
                for p in group["params"]:
                    p.grad = None
            return
        for group in self.param_groups:
            for p in group["params"]:
                grad = p.grad
                if grad is not None:
                    if grad.grad_fn is not None:
                        grad.detach_()
                    else:
                        grad.requires_grad_(False)
                    grad.zero_()

    # -- groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group: a dict with `params` and, where it differs from the defaults, hyper-parameters."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, torch.Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError("optimizer parameters need to be organized in ordered collections, but the ordering of "
                            "tensors in sets will change between runs. Please use a list instead.")
        else:
            params = list(params)
        named = [isinstance(p, tuple) for p in params]
        if any(named):
            if not all(named):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            param_group["param_names"] = [name for name, _ in params]
            params = [p for _, p in params]
        param_group["params"] = params
        differentiable = self.defaults.get("differentiable", None)
        for p in params:
            if not isinstance(p, torch.Tensor):
                raise TypeError("optimizer can only optimize Tensors, but one of the params is " + _typename(p))
            if not differentiable and not (p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        if len(params) != len(set(params)):
            warnings.warn("optimizer contains a parameter group with duplicate parameters; in future, this will cause "
                          "an error; see github.com/pytorch/pytorch/issues/40967 for more information", stacklevel=3)
        known = {p for group in self.param_groups for p in group["params"]}
        if not known.isdisjoint(params):
            raise ValueError("some parameters appear in more than one parameter group")
        if self.param_groups and ("param_names" in param_group) != ("param_names" in self.param_groups[0]):
            what = "with" if "param_names" in param_group else "without"
            raise ValueError("all optimizer param groups should be with/without names. cannot add param group "
                             f"{what} names to the optimizer")
        self.param_groups.append(param_group)

    # -- saving

    def state_dict(self) -> dict[str, Any]:
        """The state as a dict of `state` (by the parameter's number) and `param_groups` (numbers, not tensors)."""
        for pre in self._optimizer_state_dict_pre_hooks.values():
            pre(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {numbers[id(key)] if isinstance(key, torch.Tensor) else key: value for key, value in self.state.items()}
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for post in self._optimizer_state_dict_post_hooks.values():
            changed = post(self, result)
            if changed is not None:
                result = changed
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state made by `state_dict`; tensors are cast to their parameter's dtype and device."""
        from copy import deepcopy

        state_dict = dict(state_dict)
        for pre in self._optimizer_load_state_dict_pre_hooks.values():
            changed = pre(self, state_dict)
            if changed is not None:
                state_dict = changed
        groups, saved = self.param_groups, deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(g["params"]) != len(s["params"]) for g, s in zip(groups, saved)):
            raise ValueError("loaded state dict contains a parameter group that doesn't match the size of "
                             "optimizer's group")
        by_number: dict[Hashable, tuple[Any, dict]] = {}
        for ours, theirs in zip(groups, saved):
            for number, p in zip(theirs["params"], ours["params"]):
                by_number[number] = (p, theirs)
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in by_number:
                p, group = by_number[key]
                state[p] = _cast_state(p, value, group)
            else:
                state[key] = value
        for ours, theirs in zip(groups, saved):
            theirs["params"] = ours["params"]
            if "param_names" in ours and "param_names" not in theirs:
                theirs["param_names"] = ours["param_names"]
        self.__setstate__({"state": state, "param_groups": saved})
        for post in self._optimizer_load_state_dict_post_hooks.values():
            post(self)


_HOOK_TABLES = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks", "_optimizer_state_dict_pre_hooks",
                "_optimizer_state_dict_post_hooks", "_optimizer_load_state_dict_pre_hooks",
                "_optimizer_load_state_dict_post_hooks")


def _typename(value: Any) -> str:
    """A value's type as PyTorch names it: `int`, `collections.OrderedDict`."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ in ("builtins", None) else f"{kind.__module__}.{kind.__qualname__}"


def _cast_state(param: Any, value: Any, group: dict[str, Any], key: Hashable = None) -> Any:
    """A saved state's value on the parameter's device, in its dtype; counters named `step` keep theirs."""
    if isinstance(value, torch.Tensor):
        if key == "step":
            if group.get("capturable") or group.get("fused"):
                return value.to(dtype=torch.float32, device=param.device)
            return value
        if param.is_floating_point():
            return value.to(dtype=param.dtype, device=param.device)
        return value.to(device=param.device)
    if isinstance(value, dict):
        return {k: _cast_state(param, v, group, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return type(value)(_cast_state(param, v, group) for v in value)  # type: ignore[call-arg]
    return value


class GroupOptimizer(Optimizer):
    """An optimiser whose step treats each group as lists. Not for user code.

    A subclass gives `_new_state(p, group)`, the state of a parameter at its first step (may be empty), and
    `_update(group, params, grads, states)`, which changes the parameters in place.
    """

    _sparse_message: str | None = "{} does not support sparse gradients"
    _capturable_names = "params and state_steps"
    _has_differentiable = True

    def _new_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {}

    def _keeps_state(self, group: dict[str, Any]) -> bool:
        return True

    def _update(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        raise NotImplementedError

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Besides taking over the state, bring what older versions saved to today's form."""
        super().__setstate__(state)
        for group in self.param_groups:
            for key, default in _LATER_OPTIONS.items():
                if key in self.defaults and (key != "differentiable" or self._has_differentiable):
                    group.setdefault(key, default)
            for p in group["params"]:
                own = self.state.get(p)
                if own and "step" in own and not isinstance(own["step"], torch.Tensor):
                    own["step"] = _step_tensor(p, group, float(own["step"]))

    def step(self, closure: Closure | None = None) -> Any:
        """One step: update every parameter that has a gradient.

        Args:
            closure: clears the gradients, computes the loss with gradients, and returns it.

        Returns the closure's loss, or None without a closure.
        """
        set_grad_enabled = torch._C._set_grad_enabled
        before = torch.is_grad_enabled()
        loss = None
        if closure is not None:
            set_grad_enabled(True)
            try:
                loss = closure()
            finally:
                set_grad_enabled(before)
        set_grad_enabled(self.defaults.get("differentiable", False))
        try:
            all_states, sparse_message = self.state, self._sparse_message
            for group in self.param_groups:
                stateful = self._keeps_state(group)
                params, grads, states = [], [], []
                for p in group["params"]:
                    grad = p.grad
                    if grad is None:
                        continue
                    if sparse_message is not None and grad.is_sparse:
                        raise RuntimeError(sparse_message.format(self._name()))
                    if stateful:
                        state = all_states[p]
                        if not state:
                            state.update(self._new_state(p, group))
                        states.append(state)
                    params.append(p)
                    grads.append(grad)
                if params:
                    if group.get("foreach") and group.get("differentiable"):
                        raise AssertionError("_foreach ops don't support autograd")
                    if group.get("capturable"):
                        self._check_capturable(params)
                    if group.get("fused"):
                        grads = self._unscaled(params, grads)
                        if grads is None:
                            continue
                    self._update(group, params, grads, states)
        finally:
            set_grad_enabled(before)
        return loss

    def _name(self) -> str:
        """The name in messages: the class of this package that the instance's class derives from."""
        for kind in type(self).__mro__:
            if kind.__module__.startswith(_PACKAGE):
                return kind.__name__
        return type(self).__name__

    def _check_capturable(self, params: list) -> None:
        supported = ["cuda", "xpu", "hpu", "privateuseone", "xla"]
        if any(p.device.type not in supported for p in params):
            raise AssertionError(f"If capturable=True, {self._capturable_names} must be on supported devices: "
                                 f"{supported}.")

    def _init_fused(self, fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
        """Check the `fused` argument against the others, and remember that gradient scaling can be part of a step."""
        if not fused:
            return
        if differentiable:
            raise RuntimeError("`fused` does not support `differentiable`")
        if foreach:
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
        self._step_supports_amp_scaling = True

    def _unscaled(self, params: list, grads: list) -> list | None:
        """Gradients divided by the gradient scaler's factor; None where it found infinities and the step is void."""
        for p in params:
            if not p.is_floating_point():
                raise RuntimeError("`fused=True` requires all the params to be floating point Tensors of supported "
                                   f"devices but got {p.dtype} and {p.device.type}")
        found_inf, scale = getattr(self, "found_inf", None), getattr(self, "grad_scale", None)
        if found_inf is not None and found_inf.item():
            return None
        if scale is not None:
            for grad in grads:
                grad.div_(scale)
        return grads


# Options that were added after the first files were written, with the value that means "as before".
_LATER_OPTIONS = {"maximize": False, "foreach": None, "capturable": False, "differentiable": False, "fused": None,
                  "amsgrad": False, "nesterov": False, "centered": False, "momentum": 0,
                  "decoupled_weight_decay": False}


def _step_tensor(p: Any, group: dict[str, Any], value: float = 0.0) -> Any:
    """A `step` counter: a scalar on the CPU, or on the parameter's device where the step must not leave it."""
    if group.get("capturable") or group.get("fused"):
        return torch.full((), value, dtype=_get_scalar_dtype(group.get("fused")), device=p.device)
    return torch.tensor(value, dtype=_get_scalar_dtype())


def native_step(name: str, composite: Callable) -> Callable:
    """The update of a group's lists: the core's kernel of that name where it applies, else `composite`.

    Both take the same positional arguments and update in place. The kernel answers False, with nothing done, for
    lists that it does not take: of mixed or other types than float32 and float64, or not contiguous.
    """
    kernel = getattr(torch._C, name, None)
    if kernel is None:
        return composite

    def step(*arguments: Any) -> None:
        if not kernel(*arguments):
            composite(*arguments)

    return step


def as_real(tensors: list) -> list:
    """Complex tensors seen as real ones with a last dimension of 2; others as they are."""
    return [torch.view_as_real(t) if t.is_complex() else t for t in tensors]
