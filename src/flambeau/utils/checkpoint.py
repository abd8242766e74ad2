"""Checkpointing: saving memory by forgetting what a function saved for backward and running it again when needed.

Method: Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016. Two forms: with use_reentrant=False the
saved tensors are replaced by placeholders, and the first one asked for triggers one recomputation that fills them all;
with use_reentrant=True the function is one node of the graph whose backward runs forward and backward inside.
"""
from __future__ import annotations

import contextlib
import warnings

import flambeau as torch
from flambeau.autograd.function import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable

__all__ = ["checkpoint", "checkpoint_sequential", "CheckpointError", "CheckpointFunction", "check_backward_validity",
           "detach_variable", "get_device_states", "set_device_states", "noop_context_fn",
           "set_checkpoint_early_stop", "DefaultDeviceType"]

_DEFAULT_CHECK = "default"
_early_stop: bool | None = None


class CheckpointError(RuntimeError):
    """The recomputation did not do what the first run did."""


class DefaultDeviceType:
    """The device type whose random state is kept besides the CPU's where the arguments name none."""

    _default_device_type = "cuda"

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Set it."""
        DefaultDeviceType._default_device_type = device

    @staticmethod
    def get_device_type() -> str:
        """Get it."""
        return DefaultDeviceType._default_device_type


def noop_context_fn() -> tuple:
    """Contexts that do nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Any:
    """Within the block: whether recomputations stop once all tensors are there; overrides the argument."""
    global _early_stop
    previous, _early_stop = _early_stop, enable
    try:
        yield
    finally:
        _early_stop = previous


def detach_variable(inputs: tuple) -> tuple:
    """The inputs with their tensors cut from the graph, requires_grad kept."""
    if not isinstance(inputs, tuple):
        raise RuntimeError("Only tuple of tensors is supported. Got Unsupported input type: ", type(inputs).__name__)
    out = []
    for value in inputs:
        if isinstance(value, torch.Tensor):
            fresh = value.detach()
            fresh.requires_grad = value.requires_grad
            value = fresh
        out.append(value)
    return tuple(out)


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn if no input requires a gradient."""
    if not any(isinstance(t, torch.Tensor) and t.requires_grad for t in inputs):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


def get_device_states(*args: Any) -> tuple[list, list]:
    """The devices among the arguments other than the CPU, and their random states."""
    ids = sorted({t.get_device() for t in args if isinstance(t, torch.Tensor) and t.device.type == "cuda"})
    return ids, [torch.cuda.get_rng_state(i) for i in ids]


def set_device_states(devices: Iterable, states: Iterable, *, device_type: str | None = None) -> None:
    """Put devices' generators into given states."""
    for device, state in zip(devices, states):
        torch.cuda.set_rng_state(state, device)


class _Surroundings:
    """Random state and autocast settings of a first run, for its repetition."""

    def __init__(self, preserve_rng_state: bool, args: tuple) -> None:
        self.preserve = preserve_rng_state
        self.autocast = {"device_type": "cpu", "dtype": torch.get_autocast_dtype("cpu"),
                         "enabled": torch.is_autocast_enabled("cpu"),
                         "cache_enabled": torch.is_autocast_cache_enabled()}
        if preserve_rng_state:
            self.rng_state = torch.get_rng_state()
            self.devices, self.device_states = get_device_states(*args)

    @contextlib.contextmanager
    def again(self) -> Any:
        """A block in which both are as they were."""
        with contextlib.ExitStack() as stack:
            if self.preserve:
                stack.enter_context(torch.random.fork_rng(devices=self.devices))
                torch.set_rng_state(self.rng_state)
                set_device_states(self.devices, self.device_states)
            stack.enter_context(torch.amp.autocast(**self.autocast))
            yield


class CheckpointFunction(Function):
    """The reentrant form: one node whose backward runs the function again."""

    @staticmethod
    def forward(ctx: Any, run_function: Callable, preserve_rng_state: bool, *args: Any) -> Any:
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.surroundings = _Surroundings(preserve_rng_state, args)
        ctx.inputs = [None if isinstance(a, torch.Tensor) else a for a in args]
        ctx.tensor_places = [i for i, a in enumerate(args) if isinstance(a, torch.Tensor)]
        ctx.save_for_backward(*[args[i] for i in ctx.tensor_places])
        with torch.no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        if not torch.autograd._is_checkpoint_valid():
            raise RuntimeError("When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or "
                               "passing an `inputs` parameter to .backward(). To resolve this error, you can either "
                               "set use_reentrant=False, or call .backward() without passing the `inputs` argument.")
        inputs = list(ctx.inputs)
        for place, tensor in zip(ctx.tensor_places, ctx.saved_tensors):
            inputs[place] = tensor
        with ctx.surroundings.again():
            fresh = detach_variable(tuple(inputs))
            with torch.enable_grad():
                outputs = ctx.run_function(*fresh)
        if isinstance(outputs, torch.Tensor):
            outputs = (outputs,)
        pairs = [(o, g) for o, g in zip(outputs, grads) if isinstance(o, torch.Tensor) and o.requires_grad]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *[x.grad if isinstance(x, torch.Tensor) else None for x in fresh])


class _StopRecomputation(Exception):
    """Everything is there; the rest of the function need not run."""


class _Frame:
    """One checkpointed call: how to repeat it, and the tensors it saved.

    `meta` describes each tensor saved by the first run; `values` holds those of the recomputation until they are used.
    """

    def __init__(self, repeat: Callable[[], Any], early_stop: bool, check: bool) -> None:
        self.repeat, self.early_stop, self.check = repeat, early_stop, check
        self.meta: list[dict] = []
        self.values: dict[int, Any] = {}

    def pack(self, tensor: Any) -> int:
        self.meta.append(_describe(tensor))
        return len(self.meta) - 1

    def unpack(self, index: int) -> Any:
        if index not in self.values:
            self.recompute()
        return self.values.pop(index)

    def recompute(self) -> None:
        found: list = []

        def pack(tensor: Any) -> Any:
            found.append(tensor.detach())
            if self.early_stop and len(found) == len(self.meta):
                raise _StopRecomputation
            return tensor.detach()

        def unpack(tensor: Any) -> Any:
            return tensor

        with contextlib.suppress(_StopRecomputation):
            with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, unpack):
                self.repeat()
        if len(found) != len(self.meta):
            raise CheckpointError("torch.utils.checkpoint: A different number of tensors was saved during the original "
                                  "forward and recomputation.\n"
                                  f"Number of tensors saved during forward: {len(self.meta)}\n"
                                  f"Number of tensors saved during recomputation: {len(found)}.")
        if self.check:
            self.compare(found)
        self.values = dict(enumerate(found))

    def compare(self, found: list) -> None:
        lines = []
        for i, (was, tensor) in enumerate(zip(self.meta, found)):
            now = _describe(tensor)
            if was != now:
                lines.append(f"tensor at position {i}:\nsaved metadata: {was}\nrecomputed metadata: {now}\n")
        if lines:
            raise CheckpointError("torch.utils.checkpoint: Recomputed values for the following tensors have different "
                                  "metadata than during the forward pass.\n" + "".join(lines))


def _describe(tensor: Any) -> dict:
    return {"shape": tensor.shape, "dtype": tensor.dtype, "device": tensor.device}


def _without_reentry(function: Callable, preserve: bool, context_fn: Callable, check: str, early_stop: bool,
                     args: tuple, kwargs: dict) -> Any:
    if check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'] but got {check}")
    forward_context, recompute_context = context_fn()
    surroundings = _Surroundings(preserve, args)

    def repeat() -> None:
        with surroundings.again(), recompute_context:
            function(*args, **kwargs)

    stop = early_stop if _early_stop is None else _early_stop
    frame = _Frame(repeat, stop, check == "default")
    if not torch.is_grad_enabled():
        with forward_context:
            return function(*args, **kwargs)
    with torch.autograd.graph.saved_tensors_hooks(frame.pack, frame.unpack), forward_context:
        return function(*args, **kwargs)


def checkpoint(function: Callable, *args: Any, use_reentrant: bool | None = None,
               context_fn: Callable[[], tuple] = noop_context_fn, determinism_check: str = _DEFAULT_CHECK,
               debug: bool = False, early_stop: bool = True, **kwargs: Any) -> Any:
    """function(*args), whose intermediate values are computed again for backward instead of being kept.

    use_reentrant: False is the form to choose; None means True, with a warning. preserve_rng_state (default True)
    repeats dropout masks. determinism_check: "default" compares shapes and types of the two runs, "none" trusts them.
    debug is accepted: errors always list the tensors that differ.

    >>> from flambeau.utils.checkpoint import checkpoint
    >>> x = torch.ones(2, requires_grad=True)
    >>> checkpoint(lambda x: x.exp().sin(), x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([-2.4783, -2.4783])
    """
    if use_reentrant is None:
        warnings.warn("torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in "
                      "PyTorch 2.9, calling checkpoint without use_reentrant will raise an exception. "
                      "use_reentrant=False is recommended, but if you need to preserve the current default behavior, "
                      "you can pass use_reentrant=True. Refer to docs for more details on the differences between the "
                      "two variants.", stacklevel=2)
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve, *args)
    return _without_reentry(function, preserve, context_fn, determinism_check, early_stop, args, kwargs)


def checkpoint_sequential(functions: Any, segments: int, input: Any, use_reentrant: bool | None = None,
                          **kwargs: Any) -> Any:
    """Apply functions (a Sequential or a list) one after the other, in checkpointed segments; the last one is kept.

    >>> from flambeau.utils.checkpoint import checkpoint_sequential
    >>> checkpoint_sequential([torch.exp, torch.sin], 2, torch.zeros(1), use_reentrant=False)
    tensor([0.8415])
    """
    if use_reentrant is None:
        warnings.warn("torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed "
                      "explicitly. In version 2.9 we will raise an exception if use_reentrant is not passed. "
                      "use_reentrant=False is recommended, but if you need to preserve the current default behavior, "
                      "you can pass use_reentrant=True. Refer to docs for more details on the differences between the "
                      "two variants.", stacklevel=2)
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if isinstance(functions, torch.nn.Sequential):
        functions = list(functions.children())

    def run(start: int, stop: int) -> Callable:
        def segment(value: Any) -> Any:
            for f in functions[start:stop]:
                value = f(value)
            return value
        return segment

    size = len(functions) // segments
    for start in range(0, size * (segments - 1), size):
        input = checkpoint(run(start, start + size), input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    done = size * (segments - 1)
    return run(done, len(functions))(input)
