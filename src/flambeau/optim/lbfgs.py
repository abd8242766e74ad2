"""L-BFGS: a quasi-Newton method with a short memory, for full-batch problems."""
from __future__ import annotations

from functools import partial

import flambeau as torch

from .optimizer import Optimizer, _check_lr, _require, _to_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


class LBFGS(Optimizer):
    """Limited-memory BFGS (Nocedal and Wright, "Numerical Optimization", 2006, algorithms 7.4 and 7.5).

    A step runs up to `max_iter` iterations and calls the closure up to `max_eval` times (1.25 * max_iter unless
    given). `line_search_fn` is None, steps of length `lr`, or "strong_wolfe".

    >>> w = torch.tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = torch.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 1) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> loss = optimizer.step(closure)
    >>> torch.allclose(w, torch.ones(2))
    True
    """

    def __init__(self, params: Iterable, lr: Any = 1, max_iter: int = 20, max_eval: int | None = None,
                 tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
                 line_search_fn: str | None = None) -> None:
        _check_lr(lr)
        _require(lr >= 0.0, f"Invalid learning rate: {lr}")
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        super().__init__(params, dict(lr=lr, max_iter=max_iter, max_eval=max_eval, tolerance_grad=tolerance_grad,
                                      tolerance_change=tolerance_change, history_size=history_size,
                                      line_search_fn=line_search_fn))
        _require(len(self.param_groups) == 1, "LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._params = self.param_groups[0]["params"]

    def _flat_grad(self) -> Any:
        pieces = []
        for p in self._params:
            if p.grad is None:
                piece = p.new_zeros(p.numel())
            elif p.grad.is_sparse:
                piece = p.grad.to_dense().view(-1)
            else:
                piece = p.grad.view(-1) if p.grad.is_contiguous() else p.grad.reshape(-1)
            pieces.append(torch.view_as_real(piece).view(-1) if piece.is_complex() else piece)
        return torch.cat(pieces, 0)

    def _add(self, length: Any, direction: Any) -> None:
        """Move all parameters by `length * direction`, a flat vector."""
        offset = 0
        for p in self._params:
            real = torch.view_as_real(p) if p.is_complex() else p
            n = real.numel()
            real.add_(direction[offset : offset + n].view_as(real), alpha=length)
            offset += n

    def _evaluated_at(self, closure: Callable, start: list, direction: Any, length: Any) -> tuple[float, Any]:
        """Loss and gradient at `start + length * direction`; the parameters return to `start`."""
        self._add(length, direction)
        loss = float(closure())
        grad = self._flat_grad()
        for p, value in zip(self._params, start):
            p.copy_(value)
        return loss, grad

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Run up to `max_iter` iterations; `closure` computes loss and gradients. Returns the first loss."""
        with torch.no_grad():
            return self._step(torch.enable_grad()(closure))

    def _step(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        lr = _to_scalar(group["lr"])
        max_iter, max_eval, history = group["max_iter"], group["max_eval"], group["history_size"]
        tolerance_grad, tolerance_change = group["tolerance_grad"], group["tolerance_change"]
        line_search = group["line_search_fn"]

        state = self.state[self._params[0]]  # one state for all parameters, kept where it can be saved
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        loss = float(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        grad = self._flat_grad()
        if grad.abs().max() <= tolerance_grad:
            return first_loss

        direction, length = state.get("d"), state.get("t")
        changes, moves, inverses = state.get("old_dirs"), state.get("old_stps"), state.get("ro")
        scale, previous_grad, previous_loss = state.get("H_diag"), state.get("prev_flat_grad"), state.get("prev_loss")
        iteration = 0
        while iteration < max_iter:
            iteration += 1
            state["n_iter"] += 1

            # the direction: the inverse Hessian, as the memory knows it, times the gradient
            if state["n_iter"] == 1:
                direction = grad.neg()
                changes, moves, inverses, scale = [], [], [], 1
            else:
                change, move = grad.sub(previous_grad), direction.mul(length)
                curvature = change.dot(move)
                if curvature > 1e-10:
                    if len(changes) == history:
                        for memory in (changes, moves, inverses):
                            memory.pop(0)
                    changes.append(change)
                    moves.append(move)
                    inverses.append(1.0 / curvature)
                    scale = curvature / change.dot(change)
                n = len(changes)
                if "al" not in state:
                    state["al"] = [None] * history
                weights = state["al"]
                q = grad.neg()
                for i in range(n - 1, -1, -1):
                    weights[i] = moves[i].dot(q) * inverses[i]
                    q.add_(changes[i], alpha=-weights[i])
                direction = torch.mul(q, scale)
                for i in range(n):
                    direction.add_(moves[i], alpha=weights[i] - changes[i].dot(direction) * inverses[i])

            if previous_grad is None:
                previous_grad = grad.clone(memory_format=torch.contiguous_format)
            else:
                previous_grad.copy_(grad)
            previous_loss = loss

            # how far: one over the gradient's size at first, later the full step
            length = min(1.0, 1.0 / grad.abs().sum()) * lr if state["n_iter"] == 1 else lr
            slope = grad.dot(direction)
            if slope > -tolerance_change:
                break
            calls = 0
            if line_search is not None:
                if line_search != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                start = [p.clone(memory_format=torch.contiguous_format) for p in self._params]
                evaluate = partial(self._evaluated_at, closure, start, direction)
                loss, grad, length, calls = strong_wolfe(evaluate, length, direction, loss, grad, slope,
                                                         max_steps=min(25, max_eval - evaluations))
                self._add(length, direction)
                optimal = grad.abs().max() <= tolerance_grad
            else:
                self._add(length, direction)
                optimal = False
                if iteration != max_iter:  # the last evaluation would serve nobody
                    with torch.enable_grad():
                        loss = closure()
                    loss = float(loss)
                    grad = self._flat_grad()
                    optimal = grad.abs().max() <= tolerance_grad
                    calls = 1
            evaluations += calls
            state["func_evals"] += calls

            if (iteration == max_iter or evaluations >= max_eval or optimal
                    or direction.mul(length).abs().max() <= tolerance_change
                    or abs(loss - previous_loss) < tolerance_change):
                break

        state.update(d=direction, t=length, old_dirs=changes, old_stps=moves, ro=inverses, H_diag=scale,
                     prev_flat_grad=previous_grad, prev_loss=previous_loss)
        return first_loss


def cubic_minimum(x1: Any, f1: Any, g1: Any, x2: Any, f2: Any, g2: Any, bounds: tuple | None = None) -> Any:
    """The minimiser of the cubic through two points with given slopes, clipped to `bounds`; their middle if none."""
    low, high = bounds if bounds is not None else ((x1, x2) if x1 <= x2 else (x2, x1))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if square < 0:
        return (low + high) / 2.0
    d2 = square.sqrt()
    if x1 <= x2:
        best = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        best = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(best, low), high)


def strong_wolfe(evaluate: Callable, t: Any, direction: Any, f: float, g: Any, slope: Any, c1: float = 1e-4,
                 c2: float = 0.9, tolerance: float = 1e-9, max_steps: int = 25) -> tuple[float, Any, Any, int]:
    """A step length that meets the strong Wolfe conditions (Nocedal and Wright, algorithms 3.5 and 3.6).

    `evaluate(t)` gives loss and gradient at step length t. Returns loss, gradient, length, number of evaluations.
    """
    size = direction.abs().max()
    g = g.clone(memory_format=torch.contiguous_format)

    def too_high(length: Any, loss: float) -> bool:
        return loss > f + c1 * length * slope

    # find an interval that holds a good point
    f_new, g_new = evaluate(t)
    calls = 1
    slope_new = g_new.dot(direction)
    t_old, f_old, g_old, slope_old = 0, f, g, slope
    step, done = 0, False
    while step < max_steps:
        passed = too_high(t, f_new) or (step > 1 and f_new >= f_old)
        if not passed and abs(slope_new) <= -c2 * slope:
            bracket, done = [[t, f_new, g_new, slope_new]], True
            break
        if passed or slope_new >= 0:
            bracket = [[t_old, f_old, g_old, slope_old], [t, f_new, _copy(g_new), slope_new]]
            break
        nearest, farthest = t + 0.01 * (t - t_old), t * 10
        following = cubic_minimum(t_old, f_old, slope_old, t, f_new, slope_new, bounds=(nearest, farthest))
        t_old, f_old, g_old, slope_old = t, f_new, _copy(g_new), slope_new
        t = following
        f_new, g_new = evaluate(t)
        calls += 1
        slope_new = g_new.dot(direction)
        step += 1
    else:
        bracket = [[0, f, g, slope], [t, f_new, g_new, slope_new]]

    # shrink it
    stuck = False
    low, high = (0, 1) if bracket[0][1] <= bracket[-1][1] else (1, 0)
    while not done and step < max_steps:
        if abs(bracket[1][0] - bracket[0][0]) * size < tolerance:
            break
        t = cubic_minimum(bracket[0][0], bracket[0][1], bracket[0][3], bracket[1][0], bracket[1][1], bracket[1][3])
        # keep away from the ends: twice in a row near one of them, move a tenth of the interval inside
        right, left = max(bracket[0][0], bracket[1][0]), min(bracket[0][0], bracket[1][0])
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        f_new, g_new = evaluate(t)
        calls += 1
        slope_new = g_new.dot(direction)
        step += 1
        if too_high(t, f_new) or f_new >= bracket[low][1]:
            bracket[high] = [t, f_new, _copy(g_new), slope_new]
            low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
        else:
            if abs(slope_new) <= -c2 * slope:
                done = True
            elif slope_new * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = list(bracket[low])
            bracket[low] = [t, f_new, _copy(g_new), slope_new]
    best = bracket[low] if len(bracket) == 2 else bracket[0]
    return best[1], best[2], best[0], calls


def _copy(grad: Any) -> Any:
    return grad.clone(memory_format=torch.contiguous_format)
