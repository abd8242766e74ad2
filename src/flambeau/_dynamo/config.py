"""torch._dynamo.config: settings of PyTorch's compiler, which programs set; there is nothing here that they change."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

cache_size_limit = recompile_limit = 8
accumulated_cache_size_limit = accumulated_recompile_limit = 256
suppress_errors = verbose = capture_scalar_outputs = capture_dynamic_output_shape_ops = False
automatic_dynamic_shapes = inline_inbuilt_nn_modules = optimize_ddp = True
assume_static_by_default = True
force_parameter_static_shapes = True
guard_nn_modules = True
skip_fwd_side_effects_in_bwd_under_checkpoint = False


@contextlib.contextmanager
def patch(arg1: Any = None, arg2: Any = None, **kwargs: Any) -> Iterator[None]:
    """Settings for the time of a with block or of a decorated function."""
    changes = dict(arg1) if isinstance(arg1, dict) else {arg1: arg2} if arg1 is not None else {}
    changes.update(kwargs)
    before = {name: globals().get(name) for name in changes}
    globals().update(changes)
    try:
        yield
    finally:
        globals().update(before)
