"""torch.distributed.tensor under its older place."""
from flambeau.distributed.tensor import *  # noqa: F403
