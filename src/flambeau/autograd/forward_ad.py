"""Forward-mode differentiation by dual numbers: tensors that carry a tangent, the derivative in one direction.

A dual tensor is a point of the usual graph where a level notes the tangent; unpack_dual finds a result's tangent as the
derivative of a reverse product, exactly as torch.func.jvp does. So duals need gradients enabled, and results that
depend on them say requires_grad.
"""
from __future__ import annotations

from collections import namedtuple

import flambeau as torch

from . import function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]

UnpackedDualTensor = namedtuple("UnpackedDualTensor", ["primal", "tangent"])


class _Level:
    """The duals made since a level was entered."""

    def __init__(self) -> None:
        self.duals: list[tuple[Any, Any, Any]] = []  # the dual, its primal, its tangent
        self.recorded = False                         # whether tangents must be differentiable themselves

    def tangent(self, tensor: Any) -> Any:
        """The product of the Jacobian of tensor, by all duals, with their tangents; None without dependence."""
        if not tensor.requires_grad or not self.duals:
            return None
        with torch.enable_grad():
            u = torch.zeros_like(tensor).requires_grad_()
            back = torch.autograd.grad([tensor], [dual for dual, _, _ in self.duals], [u], create_graph=True,
                                       allow_unused=True)
            reached = [(g, t) for g, (_, _, t) in zip(back, self.duals) if g is not None]
            if not reached:
                return None
            reached = [(g, t) for g, t in reached if g.requires_grad]
            found = torch.autograd.grad([g for g, _ in reached], [u], [t for _, t in reached],
                                        create_graph=self.recorded, allow_unused=True)[0] if reached else None
        return torch.zeros_like(tensor).detach() if found is None else found

    def through_jvp(self, kind: Any, node: Any, args: tuple, output: Any) -> Any:
        """The outputs of a Function as duals whose tangents its jvp gives; NotImplemented where backward will do."""
        tangents = [unpack_dual(a).tangent if isinstance(a, torch.Tensor) else None for a in args]
        if all(t is None for t in tangents) or self.recorded and kind.backward is not function.Function.backward:
            return NotImplemented
        if node._materialize_grads:
            tangents = [torch.zeros_like(a) if t is None and isinstance(a, torch.Tensor) and a.is_floating_point() else t
                        for t, a in zip(tangents, args)]
        node._to_save = node._for_forward or node._to_save
        with torch.no_grad():
            given = kind.jvp(node, *tangents)
        outputs = output if isinstance(output, tuple) else (output,)
        given = given if isinstance(given, tuple) else (given,)
        made = tuple(o if t is None else make_dual(o.detach(), t) for o, t in zip(outputs, given))
        return made if isinstance(output, tuple) else made[0]


def _differentiable(tensor: Any) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def enter_dual_level() -> int:
    """Begin a level; its number. RuntimeError inside another one."""
    if function._dual_level is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    function._dual_level = _Level()
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """End the level: its duals lose their tangents."""
    if function._dual_level is None or level not in (None, 0):
        raise RuntimeError("Trying to exit a forward AD level that was not the last one that was created. This is not "
                           "supported.")
    function._dual_level = None


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """A view of tensor that carries tangent, which has its shape and dtype. RuntimeError outside a level.

    >>> import flambeau.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     x = fwAD.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
    ...     fwAD.unpack_dual(x * x).tangent
    tensor([2., 0.])
    """
    if function._dual_level is None:
        raise RuntimeError("Trying to create a dual Tensor for forward AD but no level exists, make sure to "
                           "enter_dual_level() first.")
    for name, value in (("primal", tensor), ("tangent", tangent)):
        if not _differentiable(value):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {value.dtype}")
    if tensor.shape != tangent.shape:
        raise RuntimeError("Expected tangent to have the same shape and dtype as primal (got "
                           f"{tuple(tangent.shape)} for {tuple(tensor.shape)})")
    now = function._dual_level
    with torch.enable_grad():
        dual = tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()
    now.recorded = now.recorded or tensor.requires_grad or tangent.requires_grad
    now.duals.append((dual, tensor, tangent))
    return dual


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """The value and the tangent; the tangent is None for what depends on no dual, and outside a level."""
    now = function._dual_level
    if now is None:
        return UnpackedDualTensor(tensor, None)
    for dual, primal, tangent in now.duals:
        if tensor is dual:
            return UnpackedDualTensor(primal, tangent)
    tangent = now.tangent(tensor) if _differentiable(tensor) else None
    return UnpackedDualTensor(tensor if tangent is None or now.recorded else tensor.detach(), tangent)


class dual_level:
    """The level of a with statement."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *args: object) -> None:
        exit_dual_level()
