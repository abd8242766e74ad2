"""cuSPARSELt is not used."""


def is_available() -> bool:
    """False: flambeau does not use cuSPARSELt."""
    return False


def version() -> int | None:
    """None."""
    return None
