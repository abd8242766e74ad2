"""torch.distributed.algorithms: what programs name around uneven inputs."""
from flambeau.distributed.algorithms.join import Join, Joinable, JoinHook

__all__ = ["Join", "JoinHook", "Joinable"]
