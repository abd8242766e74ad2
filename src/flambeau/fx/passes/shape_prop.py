"""ShapeProp: runs a graph once and notes the shape and dtype of every value in `node.meta["tensor_meta"]`."""
from __future__ import annotations

from typing import Any, NamedTuple

import flambeau as torch
from flambeau.fx.interpreter import Interpreter
from flambeau.fx.node import Node, map_aggregate

__all__ = ["ShapeProp", "TensorMetadata"]


class TensorMetadata(NamedTuple):
    """What is known of a tensor."""

    shape: Any
    dtype: Any
    requires_grad: bool
    stride: tuple
    memory_format: Any
    is_quantized: bool
    qparams: dict


def _extract_tensor_metadata(result: Any, include_contiguity: bool = True) -> TensorMetadata:
    layouts = (torch.contiguous_format, torch.channels_last, torch.channels_last_3d)
    fits = [f for f in layouts if result.dim() == {torch.channels_last: 4, torch.channels_last_3d: 5}.get(f, result.dim())
            and result.is_contiguous(memory_format=f)]
    return TensorMetadata(result.shape, result.dtype, result.requires_grad, result.stride(), fits[0] if fits else None,
                          result.is_quantized, {})


class ShapeProp(Interpreter):
    """Interpreter that fills node.meta."""

    def run_node(self, n: Node) -> Any:
        """One step; its result's metadata go to `n.meta`."""
        result = super().run_node(n)
        found = False

        def describe(value: Any) -> Any:
            nonlocal found
            if isinstance(value, torch.Tensor):
                found = True
                return _extract_tensor_metadata(value)
            return value

        described = map_aggregate(result, describe)
        if found:
            n.meta["tensor_meta"] = described
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Run on args; the result."""
        return super().run(*args)
