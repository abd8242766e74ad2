"""torch._dynamo.exc: errors of PyTorch's compiler, for `except` clauses; none is raised here."""

__all__ = ["BackendCompilerFailed", "InternalTorchDynamoError", "TorchDynamoException", "TorchRuntimeError", "Unsupported",
           "UserError"]


class TorchDynamoException(RuntimeError):
    """The base of compilers' errors."""


class InternalTorchDynamoError(TorchDynamoException):
    """An error inside the compiler."""


class BackendCompilerFailed(TorchDynamoException):
    """An error inside a backend."""


class TorchRuntimeError(TorchDynamoException):
    """An operator that failed while recorded."""


class Unsupported(TorchDynamoException):
    """Code that the compiler does not follow."""


class UserError(Unsupported):
    """A wrong use of the compiler."""
