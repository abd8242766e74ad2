"""The fused inference path of MultiheadAttention and TransformerEncoder."""
_fastpath_enabled = True


def get_fastpath_enabled() -> bool:
    """Whether modules may take their fused path."""
    return _fastpath_enabled


def set_fastpath_enabled(value: bool) -> None:
    """Allow or forbid the fused path."""
    global _fastpath_enabled
    _fastpath_enabled = value
