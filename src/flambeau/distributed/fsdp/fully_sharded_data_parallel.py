"""The names of torch.distributed.fsdp under their older place."""
from flambeau.distributed.fsdp import *  # noqa: F403
from flambeau.distributed.fsdp import FullyShardedDataParallel as FSDP  # noqa: F401
