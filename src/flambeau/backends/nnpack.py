"""NNPACK is not used."""


def is_available() -> bool:
    """False: flambeau does not use NNPACK."""
    return False
