"""torch._subclasses: tensors without values, under the names that libraries look for. Here they are tensors on the device "meta"."""
from flambeau._subclasses.fake_tensor import FakeTensor, FakeTensorMode

__all__ = ["FakeTensor", "FakeTensorMode"]
