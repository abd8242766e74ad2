"""Warnings about behaviour that early programs may rely on; both switches are kept and without effect."""


class _Warning:
    """enabled: whether to warn."""

    enabled = False


broadcast_warning = _Warning()
keepdim_warning = _Warning()
