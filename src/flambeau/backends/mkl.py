"""MKL is not used."""


def is_available() -> bool:
    """False: flambeau does not use MKL."""
    return False


VERBOSE_OFF = 0
VERBOSE_ON = 1


class verbose:
    """A with block for a library's log, which does not exist here."""

    def __init__(self, enable: int = VERBOSE_OFF) -> None:
        self.enable = enable

    def __enter__(self) -> object:
        return self

    def __exit__(self, *args: object) -> bool:
        return False
