"""torch.distributed.optim: optimisers whose state is spread over the processes."""
from flambeau.distributed.optim.zero_redundancy_optimizer import ZeroRedundancyOptimizer

__all__ = ["ZeroRedundancyOptimizer"]
