"""Mixed precision: autocast takes a 16-bit type for products and convolutions, GradScaler saves small gradients."""
from flambeau.amp.autocast_mode import (
    _enter_autocast,
    _exit_autocast,
    autocast,
    custom_bwd,
    custom_fwd,
    is_autocast_available,
)
from flambeau.amp.grad_scaler import GradScaler

__all__ = ["autocast", "custom_fwd", "custom_bwd", "is_autocast_available", "GradScaler", "_enter_autocast",
           "_exit_autocast"]
