"""Apple's Metal is not used."""


def is_available() -> bool:
    """False: flambeau does not use Apple's Metal."""
    return False


def is_built() -> bool:
    """False."""
    return False


def is_macos13_or_newer(minor: int = 0) -> bool:
    """False."""
    return False
