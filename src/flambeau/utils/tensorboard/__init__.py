"""Logging for TensorBoard. Writing needs nothing but NumPy; TensorBoard itself shows the files."""
from .writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
