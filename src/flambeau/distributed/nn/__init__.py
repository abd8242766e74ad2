"""torch.distributed.nn: collectives with gradients."""
from flambeau.distributed.nn import functional
from flambeau.distributed.nn.functional import all_gather, all_reduce, all_to_all, broadcast, gather, reduce, reduce_scatter, scatter

__all__ = ["all_gather", "all_reduce", "all_to_all", "broadcast", "functional", "gather", "reduce", "reduce_scatter", "scatter"]
