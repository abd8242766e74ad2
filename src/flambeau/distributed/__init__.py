"""torch.distributed: several processes that work together; stores, groups, collectives."""
from flambeau.distributed import distributed_c10d
from flambeau.distributed._store import FileStore, HashStore, PrefixStore, Store, TCPStore
from flambeau.distributed.distributed_c10d import *  # noqa: F403

__all__ = ["FileStore", "HashStore", "PrefixStore", "Store", "TCPStore", *distributed_c10d.__all__]
