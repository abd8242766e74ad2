"""Transformations of functions: derivatives, vmap, modules as functions of their parameters."""
from flambeau.func._derivatives import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp
from flambeau.func._modules import functional_call, functionalize, replace_all_batch_norm_modules_, stack_module_state
from flambeau.func._vmap import vmap

__all__ = ["grad", "grad_and_value", "vmap", "replace_all_batch_norm_modules_", "functionalize", "hessian", "jacfwd",
           "jacrev", "jvp", "linearize", "vjp", "functional_call", "stack_module_state"]
