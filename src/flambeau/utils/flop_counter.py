"""FlopCounterMode: counts the floating-point operations of matrix products, convolutions and attention, forward and backward."""
from __future__ import annotations

import math
from collections import defaultdict
from typing import Any, Callable

import flambeau as torch

__all__ = ["FlopCounterMode"]


def _product(a: Any, b: Any) -> int:
    """Of a @ b."""
    if a.dim() == 1 and b.dim() == 1:
        return 2 * a.numel()
    rows = 1 if a.dim() == 1 else a.shape[-2]
    columns = 1 if b.dim() == 1 else b.shape[-1]
    batch = math.prod(torch.broadcast_shapes(a.shape[:-2], b.shape[:-2]))
    return 2 * batch * rows * columns * a.shape[-1]


def _convolution(x: Any, weight: Any, result: Any, transposed: bool) -> int:
    places = math.prod((x if transposed else result).shape[2:])
    return 2 * x.shape[0] * places * math.prod(weight.shape)


def _attention(q: Any, k: Any, v: Any) -> int:
    batch = math.prod(q.shape[:-2])
    return 2 * batch * q.shape[-2] * k.shape[-2] * (q.shape[-1] + v.shape[-1])


def _counters() -> dict[str, tuple[Callable, int]]:
    """By name: the number of operations from arguments and result, and the first of the two factors among the arguments."""
    return {"mm": (lambda a, r: _product(*a[:2]), 0), "bmm": (lambda a, r: _product(*a[:2]), 0), "matmul": (lambda a, r: _product(*a[:2]), 0),
            "mv": (lambda a, r: _product(*a[:2]), 0), "dot": (lambda a, r: _product(*a[:2]), 0),
            "addmm": (lambda a, r: _product(*a[1:3]), 1), "baddbmm": (lambda a, r: _product(*a[1:3]), 1),
            "linear": (lambda a, r: 2 * a[0].numel() * a[1].shape[0], 0),
            **{f"conv{d}d": (lambda a, r: _convolution(a[0], a[1], r, False), 0) for d in (1, 2, 3)},
            **{f"conv_transpose{d}d": (lambda a, r: _convolution(a[0], a[1], r, True), 0) for d in (1, 2, 3)},
            "scaled_dot_product_attention": (lambda a, r: _attention(*a[:3]), 0)}


_NAMES = {"linear": "addmm", "matmul": "mm"}


class FlopCounterMode(torch.overrides.TorchFunctionMode):
    """A with block that counts; `get_total_flops()` afterwards. display prints a table at the end.

    >>> from flambeau.utils.flop_counter import FlopCounterMode
    >>> with FlopCounterMode(display=False) as counter:
    ...     _ = torch.ones(2, 3) @ torch.ones(3, 4)
    >>> counter.get_total_flops()
    48
    """

    def __init__(self, mods: Any = None, depth: int = 2, display: bool = True, custom_mapping: dict | None = None) -> None:
        super().__init__()
        self.depth, self.display = depth, display
        self.custom_mapping = custom_mapping or {}
        self.flop_counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._table = _counters()
        self._inside: list[str] = []
        self._hooks: list[Any] = []

    def __enter__(self) -> FlopCounterMode:
        self.flop_counts.clear()
        self._inside = []
        names = torch.nn.modules.module

        def enter(module: Any, args: Any) -> None:
            parent = self._inside[-1] if self._inside else None
            own = next((name for name, child in getattr(self._modules[-1], "_modules", {}).items() if child is module), None) \
                if parent is not None else None
            self._inside.append(f"{parent}.{own}" if parent is not None and own is not None else type(module).__name__)
            self._modules.append(module)

        def leave(module: Any, args: Any, result: Any) -> None:
            self._inside.pop()
            self._modules.pop()

        self._modules: list[Any] = []
        self._hooks = [names.register_module_forward_pre_hook(enter), names.register_module_forward_hook(leave, always_call=True)]
        super().__enter__()
        return self

    def __exit__(self, *args: Any) -> None:
        super().__exit__(*args)
        for hook in self._hooks:
            hook.remove()
        if self.display:
            print(self.get_table(self.depth))

    def _count(self, name: str, flops: int, places: list[str]) -> None:
        for place in dict.fromkeys(("Global", *places)):
            self.flop_counts[place][name] += flops

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "").strip("_")
        if func in self.custom_mapping:
            self._count(name, self.custom_mapping[func](*args, **kwargs, out_val=result), self._inside)
        elif name in self._table:
            values = (*args, *(value for value in kwargs.values() if isinstance(value, torch.Tensor)))
            count, first = self._table[name]
            flops, places, label = count(values, result), list(self._inside), _NAMES.get(name, name)
            self._count(label, flops, places)
            if result.requires_grad:  # the backward pass multiplies once for each factor that needs a gradient
                factors = sum(isinstance(v, torch.Tensor) and v.requires_grad for v in values[first:first + 2])
                result.register_hook(lambda grad: self._count(label, flops * factors, places))
        return result

    def get_total_flops(self) -> int:
        """All operations counted."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[str, int]]:
        """Operations by module and operator."""
        return {place: dict(counts) for place, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """Operations by module, down to depth, as text."""
        depth = self.depth if depth is None else depth
        total = max(self.get_total_flops(), 1)
        rows = [("Module", "FLOP", "% Total")]
        for place, counts in self.flop_counts.items():
            level = 0 if place == "Global" else place.count(".") + 1
            if level <= depth:
                flops = sum(counts.values())
                rows.append((" " * level + place, f"{flops:,}", f"{100 * flops / total:.2f}%"))
                rows.extend((" " * (level + 1) + "- " + name, f"{n:,}", f"{100 * n / total:.2f}%") for name, n in counts.items())
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])
