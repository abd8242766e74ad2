"""The parts of a DataLoader: collating, fetching, worker processes, transport of batches between processes."""
from . import collate, fetch, pin_memory, transport, worker

MP_STATUS_CHECK_INTERVAL = 5.0  # seconds that workers get to end by themselves

__all__ = ["collate", "fetch", "pin_memory", "transport", "worker"]
