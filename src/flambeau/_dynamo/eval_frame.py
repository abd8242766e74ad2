"""torch._dynamo.eval_frame: the module that torch.compile makes, under its other name."""
from flambeau.compiler._module import OptimizedModule

__all__ = ["OptimizedModule"]
