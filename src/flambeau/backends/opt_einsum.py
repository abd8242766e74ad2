"""The order of contractions in einsum: the opt_einsum package is not used; einsum plans by itself."""
enabled = False
strategy = None


def is_available() -> bool:
    """False."""
    return False
