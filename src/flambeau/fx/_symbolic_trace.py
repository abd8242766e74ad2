"""Recording a program: its inputs become proxies, its submodules one node each, its tensors attributes."""
from __future__ import annotations

import builtins
import functools
import inspect
import math
import sys
from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau.fx.graph import Graph
from flambeau.fx.graph_module import GraphModule
from flambeau.fx.node import Node
from flambeau.fx.proxy import ParameterProxy, Proxy, TracerBase
from flambeau.utils import _pytree as pytree

__all__ = ["Tracer", "symbolic_trace", "wrap"]

_wrapped: list[tuple[dict, str]] = []  # (a module's names, a name in it) given to wrap()


def wrap(fn_or_name: Callable | str) -> Any:
    """Record calls of a function of the calling module as one step instead of looking into it.

    A decorator of a function at module level, or called there with a name (`torch.fx.wrap("len")`).
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    _wrapped.append((frame.f_globals, fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__))
    return fn_or_name


def _find_proxy(*values: Any) -> Proxy | None:
    return next((v for v in pytree.tree_leaves(values) if isinstance(v, Proxy)), None)


def _recording(function: Callable) -> Callable:
    """function, recorded as one step if an argument is a proxy."""
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        proxy = _find_proxy(args, kwargs)
        if proxy is not None:
            return proxy.tracer.create_proxy("call_function", function, args, kwargs)
        return function(*args, **kwargs)

    return call


class _Patches:
    """Names replaced for the time of a recording."""

    def __init__(self) -> None:
        self.undo: list[Callable[[], None]] = []

    def item(self, table: dict, name: str, value: Any) -> None:
        if name in table:
            old = table[name]
            self.undo.append(lambda: table.__setitem__(name, old))
        else:
            self.undo.append(lambda: table.__delitem__(name))
        table[name] = value

    def attribute(self, owner: type, name: str, value: Any) -> None:
        old = owner.__dict__[name]
        self.undo.append(lambda: setattr(owner, name, old))
        setattr(owner, name, value)

    def __enter__(self) -> _Patches:
        return self

    def __exit__(self, *args: object) -> None:
        while self.undo:
            self.undo.pop()()


def _assert_is_none(value: Any, msg: str) -> None:
    assert value is None, msg


class Tracer(TracerBase):
    """Records `forward` of a module, or a function; subclasses change what is one step and what is looked into."""

    def __init__(self, autowrap_modules: tuple = (math,), autowrap_functions: tuple = (), param_shapes_constant: bool = False) -> None:
        self._autowrap_functions = {id(f) for module in autowrap_modules for name, f in vars(module).items()
                                    if not name.startswith("_") and callable(f)} | {id(f) for f in autowrap_functions}
        self._autowrap_search = list(autowrap_modules)
        self.param_shapes_constant = param_shapes_constant
        self.submodule_paths: dict[Any, str] | None = None
        self.root_module_name = ""

    def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
        """Whether m's calls are one step: by default torch.nn's own modules except Sequential."""
        return type(m).__module__.startswith(torch.nn.__name__ + ".") and not isinstance(m, torch.nn.Sequential)

    def path_of_module(self, mod: Any) -> str:
        """mod's path below the root. NameError if it is not there."""
        if self.submodule_paths is not None and mod in self.submodule_paths:
            return self.submodule_paths[mod]
        for name, module in self.root.named_modules():
            if module is mod:
                return name
        raise NameError("module is not installed as a submodule")

    def call_module(self, m: Any, forward: Callable, args: tuple, kwargs: dict) -> Any:
        """A call of a submodule: one step, or what its forward does."""
        name = self.path_of_module(m)
        if self.is_leaf_module(m, name):
            return self.create_proxy("call_module", name, args, kwargs)
        return forward(*args, **kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """An attribute read from a module: parameters (and buffers, if proxy_buffer_attributes) become proxies."""
        if isinstance(attr_val, torch.nn.Parameter):
            found = next((n for n, p in self.root.named_parameters() if p is attr_val), None)
        elif self.proxy_buffer_attributes and isinstance(attr_val, torch.Tensor):
            found = next((n for n, b in self.root.named_buffers() if b is attr_val), None)
        else:
            return attr_val
        if found is None:
            return attr_val
        if found not in parameter_proxy_cache:
            factory = None
            if self.param_shapes_constant:
                def factory(node: Node) -> Proxy:
                    return ParameterProxy(self, node, found, attr_val)
            parameter_proxy_cache[found] = self.create_proxy("get_attr", found, (), {}, proxy_factory_fn=factory)
        return parameter_proxy_cache[found]

    def create_arg(self, a: Any) -> Any:
        """See TracerBase.create_arg; tensors and modules become attributes of the root."""
        if isinstance(a, torch.nn.Parameter):
            for name, parameter in self.root.named_parameters():
                if a is parameter:
                    return self.create_node("get_attr", name, (), {})
            raise NameError("parameter is not a member of this module")
        if isinstance(a, torch.Tensor):
            for name, buffer in self.root.named_buffers():
                if a is buffer:
                    return self.create_node("get_attr", name, (), {})
        elif isinstance(a, torch.nn.Module):
            for name, module in self.root.named_modules():
                if a is module:
                    return self.create_node("get_attr", name, (), {})
        if isinstance(a, torch.Tensor) or type(a).__name__ == "ScriptObject":
            name = self.tensor_attrs.get(a)
            if name is None:
                name = self.get_fresh_qualname("_tensor_constant")
                self.tensor_attrs[a] = name
                setattr(self.root, name, a)
            return self.create_node("get_attr", name, (), {})
        return super().create_arg(a)

    def get_fresh_qualname(self, prefix: str) -> str:
        """prefix with the first number that the root has no attribute of."""
        i = 0
        while hasattr(self.root, f"{prefix}{i}"):
            i += 1
        return f"{prefix}{i}"

    def create_args_for_root(self, root_fn: Callable, is_module: bool, concrete_args: dict | tuple | None = None) -> tuple:
        """The function to run and its arguments: a placeholder for each parameter, the given value for concrete_args."""
        function = inspect.unwrap(root_fn)
        code = getattr(function, "__code__", None)
        if code is None:
            raise TypeError(f"torch.fx: only functions written in Python can be traced (got {root_fn!r})")
        positional, keyword_only = code.co_argcount, code.co_kwonlyargcount
        names = code.co_varnames
        defaults = {**dict(zip(reversed(names[:positional]), reversed(function.__defaults__ or ()))), **(function.__kwdefaults__ or {})}
        hints = getattr(function, "__annotations__", {})
        args: list[Any] = [self.root] if is_module else []
        start = len(args)
        if isinstance(concrete_args, tuple):
            concrete_args = dict(zip(names[start:positional], concrete_args))
        concrete_args = concrete_args or {}

        def placeholder(name: str) -> Any:
            if name in concrete_args and not isinstance(concrete_args[name], _Placeholder):
                return self._fixed(name, concrete_args[name])
            default = () if name not in defaults else (defaults[name],)
            hint = hints.get(name)
            return self.create_proxy("placeholder", name, default, {}, type_expr=None if isinstance(hint, str) else hint)

        args.extend(placeholder(name) for name in names[start:positional])
        kwargs = {name: placeholder(name) for name in names[positional:positional + keyword_only]}
        rest = list(names[positional + keyword_only:])
        if code.co_flags & inspect.CO_VARARGS:
            args.append(_Starred(self.create_proxy("placeholder", "*" + rest.pop(0), (), {})))
        if code.co_flags & inspect.CO_VARKEYWORDS:
            kwargs["**"] = self.create_proxy("placeholder", "**" + rest.pop(0), (), {})
        return root_fn, args, kwargs

    def _fixed(self, name: str, value: Any) -> Any:
        """A concrete argument: still an input, which must have the given value."""
        text = f"{name} has been specialized to have value {value} but got another value"
        if isinstance(value, (torch.Tensor, dict, list, tuple)):
            raise NotImplementedError(f"torch.fx: concrete_args takes numbers, texts and None (got {name}={type(value).__name__}); "
                                      "use functools.partial for other values")
        given = self.create_proxy("placeholder", f"{name}_1", (), {})
        if value is None:
            self.create_proxy("call_function", _assert_is_none, (given, text), {})
        elif isinstance(value, (bool, int, float, str)):
            torch._assert(given == value, text)
        return value

    def trace(self, root: Any, concrete_args: dict | None = None) -> Graph:
        """The graph of a module's forward, or of a function. TraceError where the program needs a real value."""
        is_module = isinstance(root, torch.nn.Module)
        self.root = root if is_module else torch.nn.Module()
        function = type(root).__dict__.get("forward", type(root).forward) if is_module else root
        self.root_module_name = root._get_name() if is_module else ""
        self.submodule_paths = {module: name for name, module in root.named_modules()} if is_module else None
        self.graph = Graph(tracer_cls=type(self))
        self.tensor_attrs: dict[Any, str] = {}
        if is_module:
            for prefix, module in root.named_modules():
                for name, value in vars(module).items():
                    if isinstance(value, torch.Tensor):
                        self.tensor_attrs[value] = f"{prefix}.{name}" if prefix else name
        cache: dict[str, Any] = {}
        module_call, module_getattr = torch.nn.Module.__call__, torch.nn.Module.__getattr__

        def call(module: Any, *args: Any, **kwargs: Any) -> Any:
            if _find_proxy(args, kwargs) is None and module not in (self.submodule_paths or ()):
                return module_call(module, *args, **kwargs)
            return self.call_module(module, lambda *a, **k: module_call(module, *a, **k), args, kwargs)

        def get(module: Any, name: str) -> Any:
            return self.getattr(name, module_getattr(module, name), cache)

        _, args, kwargs = self.create_args_for_root(function, is_module, concrete_args)
        returns = getattr(inspect.unwrap(function), "__annotations__", {}).get("return")
        try:
            with _Patches() as patches:
                patches.attribute(torch.nn.Module, "__getattr__", get)
                patches.attribute(torch.nn.Module, "__call__", call)
                self._wrap_functions(patches, function)
                result = _call_with_rest(function, args, kwargs)
            self.create_node("output", "output", (self.create_arg(result),), {}, type_expr=None if isinstance(returns, str) else returns)
        finally:
            self.submodule_paths = None
        return self.graph

    def _wrap_functions(self, patches: _Patches, function: Callable) -> None:
        done: set[tuple[int, str]] = set()
        for scope, name in _wrapped:
            if (id(scope), name) in done:
                continue
            done.add((id(scope), name))
            value = scope.get(name, getattr(builtins, name, None))
            if value is not None:
                patches.item(scope, name, _recording(value))
        for scope in (inspect.unwrap(function).__globals__, *map(vars, self._autowrap_search)):
            for name, value in list(scope.items()):
                if not name.startswith("_") and callable(value) and id(value) in self._autowrap_functions:
                    patches.item(scope, name, _recording(value))


class _Starred:
    """The proxy of `*args`."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy


def _call_with_rest(function: Callable, args: list, kwargs: dict) -> Any:
    """function(*args, **kwargs), where the proxies of its own *args and **kwargs take the place of the tuple and the dictionary."""
    if "**" not in kwargs and not (args and isinstance(args[-1], _Starred)):
        return function(*args, **kwargs)
    # the same code with the two collected parameters as ordinary ones
    inner = inspect.unwrap(function)
    code = inner.__code__
    flags = code.co_flags & ~(inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    extra = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    values = [*(a for a in args if not isinstance(a, _Starred)), *(v for k, v in kwargs.items() if k != "**")]
    values += [a.proxy for a in args if isinstance(a, _Starred)] + ([kwargs["**"]] if "**" in kwargs else [])
    import types

    plain = types.FunctionType(code.replace(co_argcount=code.co_argcount + code.co_kwonlyargcount + extra, co_kwonlyargcount=0,
                                            co_flags=flags), inner.__globals__, inner.__name__, None, inner.__closure__)
    return plain(*values)


class _Placeholder:
    """In concrete_args: this one stays an input."""

    def __repr__(self) -> str:
        return "PH"


PH = _Placeholder()


def symbolic_trace(root: Any, concrete_args: dict[str, Any] | None = None) -> GraphModule:
    """A GraphModule that does what root (a module or a function) does.

    concrete_args fixes arguments that decide about branches. TraceError where a branch needs a recorded value.

    >>> gm = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()))
    >>> print(gm.code.strip())
    def forward(self, input):
        input_1 = input
        _0 = getattr(self, "0")(input_1);  input_1 = None
        _1 = getattr(self, "1")(_0);  _0 = None
        return _1
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, torch.nn.Module) else root.__name__
    return GraphModule(tracer.root, graph, name)
