"""The decorator that makes an operator of a Python function and PyTorch's schema string: argument binding, the `out=`
and in-place forms, named results, and the registry from which functions and Tensor methods are installed."""

from __future__ import annotations

import sys

import flambeau as torch

from ._compiled import NO_MATCH, PLAIN_TENSORS, compile_call, learn
from ._schema import REQUIRED, Mismatch, Signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator

REGISTRY: dict[str, Operator] = {}
_HARMLESS = frozenset((str, int, float, bool, type(None)))
# Operators whose out= must have the result's dtype, as PyTorch computes them without converting.
_EXACT = frozenset("""
    complex polar addbmm addmv cross diag diff frexp histogram inner lu_solve lu_unpack msort nanquantile norm ormqr qr
    quantile renorm svd take_along_dim tensordot triangular_solve linalg_cholesky linalg_cholesky_ex linalg_cross
    linalg_det linalg_eigh linalg_eigvalsh linalg_inv linalg_inv_ex linalg_ldl_factor linalg_ldl_factor_ex
    linalg_ldl_solve linalg_lu linalg_lu_factor linalg_lu_factor_ex linalg_lu_solve linalg_matrix_norm
    linalg_matrix_power linalg_multi_dot linalg_norm linalg_qr linalg_slogdet linalg_solve linalg_solve_ex
    linalg_solve_triangular linalg_svd linalg_svdvals linalg_vecdot""".split())
_C_NAMES = {"bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short int", "int32": "int",
            "int64": "long int", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float",
            "float64": "double", "complex64": "c10::complex<float>", "complex128": "c10::complex<double>"}


class Operator:
    """A composite operator: one or several schemas, tried in order, each with the Python function that computes it.

    `function` receives the bound arguments positionally in schema order. `namespace` is "" for torch.NAME, else
    "linalg", "fft", "special", "_nn"...; `method` and `inplace` say which Tensor methods exist besides the function.
    """

    def __init__(self, name: str, namespace: str, method: bool, function: bool, inplace: bool, out: bool) -> None:
        self.name, self.namespace = name, namespace
        self.method, self.has_function, self.inplace, self.out = method, function, inplace, out
        self.__name__ = self.__qualname__ = name
        self.key = f"{namespace}.{name}" if namespace else name
        self.public_name = f"{namespace}_{name}" if namespace not in ("", "_nn") else name
        self.pending: list[tuple[str, Callable]] = []  # schemas not yet parsed
        self.parsed: list[tuple[Signature, Callable]] = []
        self.doc: str | None = None
        self.node = ""
        self.plain: Callable | None = None
        self.quick: Callable | None = None  # made at the first call
        self.quick_method: Callable | None = None
        self.as_method: Callable | None = None  # what Tensor.NAME is

    @property
    def schemas(self) -> list[str]:
        return [signature.schema for signature, _ in self.overloads]

    @property
    def overloads(self) -> list[tuple[Signature, Callable]]:
        """Signatures and their functions in order; schemas are parsed at the first use."""
        while self.pending:
            schema, function = self.pending.pop(0)
            self.parsed.append((Signature(schema), function))
        return self.parsed

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self.doc

    @property
    def function(self) -> Callable:
        """The Python function of the first schema."""
        return self.overloads[0][1]

    def add(self, schema: str, function: Callable) -> None:
        self.pending.append((schema, function))

    def overload(self, *schemas: str) -> Callable[[Callable], Operator]:
        """Decorator that adds further schemas, computed by the decorated function."""
        def decorate(function: Callable) -> Operator:
            for schema in schemas:
                self.add(schema, function)
            return self
        return decorate

    def __repr__(self) -> str:
        return f"<operator {self.namespace + '.' if self.namespace else ''}{self.name}>"

    def __reduce__(self) -> tuple:
        return _find, (self.__module__, self.key)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return (self.quick or self._open(False))(*args, **kwargs)

    def _open(self, method: bool) -> Callable:
        """Make the quick function for calls as a function or as a method."""
        if self.plain is not None:
            made = self._guarded(method)
        else:
            made = self._compile(method)
        if _looking:
            made = _where_tensors_are(made)
        if method:
            self.quick_method = made
        else:
            self.quick = made
        return made

    def _guarded(self, method: bool) -> Callable:
        """The function itself, after a look at its arguments' types for overrides."""
        compute, plain, harmless, lists = self.plain, PLAIN_TENSORS, _HARMLESS, (list, tuple)

        def guarded(*args: Any, **kwargs: Any) -> Any:
            for value in args:
                kind = type(value)
                if kind not in plain and kind not in harmless \
                        and not (kind in lists and plain.issuperset(map(type, value))):
                    override = _overriding(args, kwargs)
                    if override:
                        from .overrides import handle_torch_function
                        return handle_torch_function(self.as_method if method else self, override, *args, **kwargs)
                    break
            return compute(*args, **kwargs)
        return guarded

    def _compile(self, method: bool) -> Callable:
        def general(args: tuple, kwargs: dict) -> Any:
            return self.call(*_given(args, kwargs, signature), method)

        def no_match(args: tuple, kwargs: dict) -> Any:
            return NO_MATCH

        signature = self.overloads[0][0]
        if len(self.overloads) == 1:
            return self._quick_of(signature, self.overloads[0][1], method, general)
        choices = [(self._quick_of(one, function, method, no_match), [one.shown(p) for p in one.parameters])
                   for one, function in self.overloads]

        def choose(*args: Any, **kwargs: Any) -> Any:
            for choice, names in choices:
                if kwargs and not kwargs.keys().isdisjoint(names[:len(args)]):
                    continue
                result = choice(*args, **kwargs)
                if result is not NO_MATCH:
                    return result
            return self.call(args, kwargs, method)
        return choose

    def _quick_of(self, signature: Signature, function: Callable, method: bool, general: Callable) -> Callable:
        wrap = None
        if signature.fields:
            from .return_types import make
            wrap = make(self.public_name, signature.fields)
        return compile_call(signature, function, method, general, wrap, self.out)

    def call(self, args: tuple, kwargs: dict, method: bool) -> Any:
        """The general binding: overrides, the first schema that fits after conversions, `out=` checked and filled."""
        override = _overriding(args, kwargs)
        if override:
            from .overrides import handle_torch_function
            return handle_torch_function(self.as_method if method else self, override, *args, **kwargs)
        out = kwargs.pop("out", None) if self.out and "out" in kwargs else None
        function, values, signature = self.bind(args, kwargs, method)
        if out is None:
            result = function(*values)
            return named(self.public_name, signature.fields, result) if signature.fields else result
        return self.into(out, function, values, signature)

    def bind(self, args: tuple, kwargs: dict, method: bool) -> tuple[Callable, list, Signature]:
        reason = ""
        for signature, function in self.overloads:
            try:
                return function, signature.bind(args, kwargs, method, self.public_name), signature
            except Mismatch as mismatch:
                reason = str(mismatch)
        if self.public_name.startswith("add"):
            from ._former_calls import rewrite
            former = rewrite(self.public_name, method, args, kwargs)
            if former is not None:
                return self.bind(*former, method)
        if len(self.overloads) == 1:
            raise TypeError(reason)
        got = [type(value).__name__ for value in args[1 if method else 0:]]
        got += [f"{key}={type(value).__name__}" for key, value in kwargs.items()]
        choices = "".join(f"\n * {signature.text()}" for signature, _ in self.overloads)
        raise TypeError(f"{self.public_name}() received an invalid combination of arguments - got ({', '.join(got)}), "
                        f"but expected one of:{choices}\n")

    def into(self, out: Any, function: Callable, values: list, signature: Signature) -> Any:
        """Compute without gradient and copy into `out` (a tensor or a sequence of them)."""
        many = not isinstance(out, torch.Tensor)
        outs = tuple(out) if many else (out,)
        if torch.is_grad_enabled() and any(needs_grad(value) for value in (*values, outs)):
            raise RuntimeError(f"{self.public_name}(): functions with out=... arguments don't support automatic "
                               "differentiation, but one of the arguments requires grad.")
        with torch.no_grad():
            result = function(*values)
            results = tuple(result) if isinstance(result, (tuple, list)) else (result,)
            if len(results) != len(outs):
                raise TypeError(f"{self.public_name}(): argument 'out' must be tuple of Tensors "
                                f"(got {len(outs)} of them, expected {len(results)})")
            for target, source in zip(outs, results):
                fill(self.public_name, target, source)
        if not many:
            return out
        return named(self.public_name + "_out", signature.fields, outs) if signature.fields else outs

    def apply_inplace(self, args: tuple, kwargs: dict) -> torch.Tensor:
        """The form `NAME_`: compute, check that the result fits the first argument, and write it there."""
        function, values, _ = self.bind(args, kwargs, True)
        target = values[0]
        if torch.is_grad_enabled() and any(needs_grad(value) for value in values):
            values[0] = target.clone()  # the graph may save the old value
        result = function(*values)
        if result.shape != target.shape:
            raise RuntimeError(f"{self.public_name}_: output with shape {list(target.shape)} doesn't match the "
                               f"broadcast shape {list(result.shape)}")
        if not torch.can_cast(result.dtype, target.dtype):
            raise RuntimeError(f"{self.public_name}_: result type {dtype_name(result.dtype)} can't be cast to the "
                               f"desired output type {dtype_name(target.dtype)}")
        target.copy_(result)
        return torch._C._name_node(target, self.node) if self.node else target


_looking = False


def _where_tensors_are(function: Callable) -> Callable:
    """function, with what it makes on the device of the tensors that it is given."""
    call = torch._C._where_tensors_are

    def on_device(*args: Any, **kwargs: Any) -> Any:
        return call(function, args, kwargs)
    return on_device


def on_devices(function: Callable) -> Callable:
    """function; from the first look at devices on, what it makes lies on the device of the tensors that it is given."""
    placed = _where_tensors_are(function)
    return lambda *args: (placed if _looking else function)(*args)


def look_at_devices() -> None:
    """From now on, operators look where their tensors are: called when a program names a device that is not the
    processor. Until then that costs nothing."""
    global _looking
    _looking = True
    for made in REGISTRY.values():
        made.quick = made.quick_method = None
    Operator.apply_inplace = _where_tensors_are(Operator.apply_inplace)  # type: ignore[method-assign]


def operator(*schemas: str, name: str | None = None, method: bool = True, function: bool = True, inplace: bool = False,
             out: bool = True, namespace: str = "", node: str = "", tie: bool = False) -> Callable[[Callable], Operator]:
    """Make the decorated function an operator with these schemas, in order, and enter it in REGISTRY.

    `inplace` adds NAME_; `out` accepts out= ; `namespace` places it below torch (linalg, fft, special, _nn). `node` is
    the name of the operator's step in the gradient graph, where it is one step in PyTorch; with `tie` the gradient
    depends on the first argument even where that makes it zero, as the gradient of such a step does.
    """
    def decorate(compute: Callable) -> Operator:
        if node:
            compute = _one_step(compute, node, tie)
        first = schemas[0].partition("(")[0].partition(".")[0]
        short = name or first.removeprefix(namespace + "_" if namespace else "")
        made = Operator(short, namespace, method and not namespace, function, inplace, out)
        made.doc, made.__module__, made.node = compute.__doc__, compute.__module__, node
        for schema in schemas:
            made.add(schema, compute)
        return _enter(made)
    return decorate


def _one_step(compute: Callable, node: str, tie: bool) -> Callable:
    """compute, whose results belong to a node of this name."""
    name_node = torch._C._name_node

    def step(first: Any, *rest: Any) -> Any:
        source = first
        if tie and torch.is_grad_enabled() and first.requires_grad:
            first = torch._tied_input(first)
        return name_node(compute(first, *rest), node, source)
    step.__name__, step.__doc__, step.__module__ = compute.__name__, compute.__doc__, compute.__module__
    return step


def plain(name: str, method: bool = False, namespace: str = "") -> Callable[[Callable], Operator]:
    """Register a function whose arguments no schema describes (tensors one by one, unions of types): it gets the
    call's arguments as they are."""
    def decorate(compute: Callable) -> Operator:
        made = Operator(name, namespace, method, True, False, False)
        made.plain, made.doc, made.__module__ = compute, compute.__doc__, compute.__module__
        return _enter(made)
    return decorate


def aliases(table: dict[str, str], namespace: str = "") -> None:
    """Enter further names of registered operators: {alias: name}."""
    for alias, original in table.items():
        source = REGISTRY[original]
        made = Operator(alias, namespace, source.method and not namespace, source.has_function, source.inplace,
                        source.out)
        made.pending, made.parsed, made.plain = source.pending, source.parsed, source.plain
        made.doc, made.__module__ = f"Alias of {original}.", sys._getframe(1).f_globals["__name__"]
        _enter(made)


def _enter(made: Operator) -> Operator:
    before = REGISTRY.get(made.key)  # a later definition in a file replaces an earlier one there
    if before is not None and before.__module__ != made.__module__:
        raise ValueError(f"{made.key}: two files have an operator of this name ({before.__module__} and "
                         f"{made.__module__})")
    REGISTRY[made.key] = made
    return made


def _find(module: str, key: str) -> Operator:
    """The operator that a pickle names."""
    from importlib import import_module
    import_module(module)
    return REGISTRY[key]


def needs_grad(value: Any) -> bool:
    """Whether value is a tensor that requires grad, or a sequence with one."""
    if isinstance(value, torch.Tensor):
        return value.requires_grad
    return isinstance(value, (tuple, list)) and any(needs_grad(item) for item in value)


def dtype_name(dtype: torch.dtype) -> str:
    """The name that messages use: Float, Long, ComplexDouble..."""
    special = {"float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long",
               "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool",
               "complex64": "ComplexFloat", "complex128": "ComplexDouble", "complex32": "ComplexHalf"}
    short = str(dtype).removeprefix("torch.")
    return special.get(short, short)


def fill(name: str, target: torch.Tensor, source: torch.Tensor) -> None:
    """Copy source into the out tensor target, resized if its shape differs."""
    if source.dtype != target.dtype and (name in _EXACT or name.endswith("_copy")):
        wanted, given = [_C_NAMES.get(name, name) for name in (str(one.dtype).removeprefix("torch.")
                                                               for one in (source, target))]
        raise RuntimeError(f"{name}(): Expected out tensor to have dtype {wanted}, but got {given} instead; Expected "
                           f"object of scalar type {dtype_name(source.dtype)} but got scalar type "
                           f"{dtype_name(target.dtype)} for argument 'out'")
    if not torch.can_cast(source.dtype, target.dtype):
        raise RuntimeError(f"{name}(): result type {dtype_name(source.dtype)} can't be cast to the desired output "
                           f"type {dtype_name(target.dtype)}")
    if target.device != source.device:
        raise RuntimeError(f"{name}(): expected out tensor to have device {source.device}, but got {target.device}")
    if target.shape != source.shape:
        if target.numel():
            import warnings
            warnings.warn(f"An output with one or more elements was resized since it had shape {list(target.shape)}, "
                          f"which does not match the required output shape {list(source.shape)}. Reuse an out tensor "
                          "by resizing it in place to zero elements with t.resize_(0).", UserWarning, stacklevel=5)
        target.resize_(source.shape)
    target.copy_(source)


def named(name: str, fields: list[str], values: Any) -> tuple:
    """values as torch.return_types.NAME."""
    from . import return_types
    return return_types.make(name, fields)(values)


def placements(made: Operator) -> Iterator[tuple[str, str, Callable[[Operator], Any]]]:
    """Where an operator appears: (place, name, what makes the value there). Places are "torch", "Tensor", and the
    namespaces "_nn", "linalg"..."""
    place = made.namespace or "torch"
    if made.has_function:
        yield place, made.name, _function
    if made.method:
        yield "Tensor", made.name, _method
    if made.inplace:
        if made.method or not made.has_function:
            yield "Tensor", made.name + "_", _inplace
        if made.has_function:
            yield place, made.name + "_", _inplace


def install(module: str | None = None) -> None:
    """Put the operators that a module defines (all, where none is named) in their places. What is there already (a
    native operator, a replacement) stays; namespaces that are not loaded yet are left out."""
    from .ops import LazyMethod

    places = {"torch": torch, "Tensor": torch.Tensor, "_nn": torch._C._nn}
    for made in REGISTRY.values():
        if module is not None and made.__module__ != module:
            continue
        for key, name, make in placements(made):
            place = places.get(key) or sys.modules.get(f"flambeau.{key}")
            if place is not None and (name not in vars(place) or isinstance(vars(place)[name], LazyMethod)):
                setattr(place, name, make(made))


def _function(made: Operator) -> Operator:
    return made


def _method(made: Operator) -> Callable:
    def method(self: torch.Tensor, /, *args: Any, **kwargs: Any) -> Any:
        return (made.quick_method or made._open(True))(self, *args, **kwargs)
    _describe(method, made.name, made)
    made.as_method = method
    return method


def _inplace(made: Operator) -> Callable:
    def inplace(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return made.apply_inplace((self, *args), kwargs)
    _describe(inplace, made.name + "_", made)
    return inplace


def _describe(method: Callable, name: str, made: Operator) -> None:
    method.__name__, method.__qualname__, method.__module__ = name, f"Tensor.{name}", "flambeau"
    method.__doc__ = made.doc


def _given(args: tuple, kwargs: dict, signature: Signature) -> tuple[tuple, dict]:
    """The arguments as the caller gave them: without marks of missing ones and without defaults at the end."""
    parameters, index = signature.parameters, signature.index
    by_numpys_name = any(key not in index and key != "out" for key in kwargs)
    given = {key: value for key, value in kwargs.items()
             if (value is not None if key == "out"
                 else key not in index or value is not parameters[index[key]].default)}
    known = list(args[:len(parameters)])
    for position, value in enumerate(known):
        if by_numpys_name and value is parameters[position].default:
            known[position] = REQUIRED
    if len(known) == len(args):
        while known and (known[-1] is REQUIRED or known[-1] is parameters[len(known) - 1].default):
            known.pop()
    missing = next((position for position, value in enumerate(known) if value is REQUIRED), len(known))
    for position in range(missing + 1, len(known)):
        if known[position] is not REQUIRED:
            given[parameters[position].name] = known[position]
    return (*known[:missing], *args[len(parameters):]), given


def _overriding(args: tuple, kwargs: dict) -> list:
    """The arguments whose type overrides functions by __torch_function__."""
    found: list = []
    if not torch._C._is_torch_function_enabled():
        return found
    for value in (*args, *kwargs.values()) if kwargs else args:
        for item in value if isinstance(value, (list, tuple)) else (value,):
            kind = type(item)
            if kind in PLAIN_TENSORS or not hasattr(kind, "__torch_function__"):
                continue
            if isinstance(item, torch.Tensor):
                learn(kind)
            if kind not in PLAIN_TENSORS:
                found.append(item)
    return found
