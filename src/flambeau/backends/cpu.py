"""What the CPU can do."""
import flambeau as torch


def get_cpu_capability() -> str:
    """The instruction set in use, such as "AVX2" or "AVX512".

    >>> isinstance(torch.backends.cpu.get_cpu_capability(), str)
    True
    """
    return torch._C._get_cpu_capability()
