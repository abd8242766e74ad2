"""Exchange of memory by DLPack, of both versions."""
from checking import check_errors, check_values


BOTH_WAYS = [
    ("x = torch.arange(6.).view(2, 3); y = torch.from_dlpack(x); y.data_ptr() == x.data_ptr(), y, y is x",
     "(True, tensor([[0., 1., 2.],\n        [3., 4., 5.]]), False)"),
    ("x = torch.ones(2); c = torch.utils.dlpack.to_dlpack(x); type(c).__name__, 'dltensor' in repr(c)",
     "('PyCapsule', True)"),
    ("x = torch.ones(2); x.__dlpack_device__(), tuple(int(v) for v in x.__dlpack_device__())",
     "((<DLDeviceType.kDLCPU: 1>, 0), (1, 0))"),
]


def test_both_ways():
    check_values(BOTH_WAYS)


BOTH_WAYS_ERRORS = [
    ("np.from_dlpack(torch.ones(2, requires_grad=True))",
     BufferError, "Can't export tensors that require gradient, use tensor.detach()"),
]


def test_both_ways_errors():
    check_errors(BOTH_WAYS_ERRORS)


REFUSED_AND_TYPES = [
    ("x = torch.ones(2, dtype=torch.bfloat16); torch.from_dlpack(x)", "tensor([1., 1.], dtype=torch.bfloat16)"),
    ("x = torch.ones(2, dtype=torch.bool); torch.from_dlpack(x)", "tensor([True, True])"),
    ("a = np.arange(3); a.flags.writeable = False; torch.from_dlpack(a)", "tensor([0, 1, 2])"),
]


def test_refused_and_types():
    check_values(REFUSED_AND_TYPES)


REFUSED_AND_TYPES_ERRORS = [
    ("torch.ones(2, requires_grad=True).__dlpack__()",
     BufferError, "Can't export tensors that require gradient, use tensor.detach()"),
    ("torch.from_dlpack(3)",
     RuntimeError, "from_dlpack received an invalid capsule. Note that DLTensor capsules can be"),
    ("torch.from_dlpack('a')",
     RuntimeError, "from_dlpack received an invalid capsule. Note that DLTensor capsules can be"),
    ("torch.from_dlpack(np.zeros(2, dtype='>i4'))", BufferError, "DLPack only supports native byte order."),
]


def test_refused_and_types_errors():
    check_errors(REFUSED_AND_TYPES_ERRORS)


VERSIONS = [
    ("'dltensor_versioned' in repr(torch.ones(2).__dlpack__(max_version=(1, 0)))", "True"),
    ("repr(torch.ones(2).__dlpack__(max_version=(0, 8)))[:25]", "'<capsule object \"dltensor'"),
    ("x = torch.ones(2); torch.from_dlpack(x.__dlpack__(max_version=(1, 0))).data_ptr() == x.data_ptr()", "True"),
    ("torch.ones(2).__dlpack__(copy=True) is not None", "True"),
    ("x = torch.ones(2); torch.from_dlpack(x, copy=True).data_ptr() == x.data_ptr()", "False"),
    ("x = torch.ones(2); torch.from_dlpack(x, copy=False).data_ptr() == x.data_ptr()", "True"),
    ("x = torch.ones(2); torch.from_dlpack(x, device='cpu').data_ptr() == x.data_ptr()", "True"),
    ("torch.ones(2).__dlpack__(dl_device=(1, 0)) is not None", "True"),
]


def test_versions():
    check_values(VERSIONS)


VERSIONS_ERRORS = [
    ("torch.ones(2).__dlpack__(stream=1)", AssertionError, "stream should be None on cpu."),
    ("torch.ones(2).__dlpack__(stream='a')", TypeError, "stream must be ``int`` or ``none``"),
]


def test_versions_errors():
    check_errors(VERSIONS_ERRORS)


LIFETIME_AND_GEOMETRY = [
    ("y = torch.from_dlpack(np.arange(1000.)); gc.collect(); y.sum()", "tensor(499500., dtype=torch.float64)"),
    ("y = np.from_dlpack(torch.arange(1000.)); gc.collect(); y.sum()", "np.float32(499500.0)"),
    ("a = np.from_dlpack(torch.ones(2)); a.flags.writeable", "True"),
    ("x = torch.zeros(3); y = torch.from_dlpack(x); y.add_(1); x, x._version, y._version",
     "(tensor([1., 1., 1.]), 0, 1)"),
    ("x = torch.zeros(4).expand(2, 4); torch.from_dlpack(x).stride()", "(0, 1)"),
    ("x = torch.zeros(1, 3)[:, ::3]; torch.from_dlpack(x).stride()", "(3, 3)"),
    ("x = torch.ones(2); c = x.__dlpack__(); del c; gc.collect(); x", "tensor([1., 1.])"),
]


def test_lifetime_and_geometry():
    check_values(LIFETIME_AND_GEOMETRY)


LIFETIME_AND_GEOMETRY_ERRORS = [
    ("nn.Parameter(torch.ones(1)).__dlpack__()",
     BufferError, "Can't export tensors that require gradient, use tensor.detach()"),
    ("torch.from_dlpack(nn.Parameter(torch.ones(1)))",
     BufferError, "Can't export tensors that require gradient, use tensor.detach()"),
]


def test_lifetime_and_geometry_errors():
    check_errors(LIFETIME_AND_GEOMETRY_ERRORS)


def test_capsules_of_strangers():
    """What a capsule says is checked before memory is touched."""
    import ctypes

    import flambeau as torch
    import pytest

    class Description(ctypes.Structure):
        _fields_ = [("data", ctypes.c_void_p), ("device", ctypes.c_int), ("id", ctypes.c_int), ("ndim", ctypes.c_int),
                    ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16), ("shape", ctypes.c_void_p),
                    ("strides", ctypes.c_void_p), ("offset", ctypes.c_uint64), ("context", ctypes.c_void_p),
                    ("deleter", ctypes.c_void_p)]
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    memory = (ctypes.c_float * 8)(*range(8))

    def read(shape=(4,), strides=None, ndim=None, data=True, name=b"dltensor"):
        sizes = (ctypes.c_int64 * 8)(*shape)
        steps = (ctypes.c_int64 * 8)(*strides) if strides else None
        described = Description(ctypes.addressof(memory) if data else None, 1, 0, len(shape) if ndim is None else ndim, 2, 32, 1,
                                ctypes.addressof(sizes) if shape else None, ctypes.addressof(steps) if steps else None)
        return torch.from_dlpack(new(ctypes.addressof(described), name, None)).tolist()
    assert read() == [0, 1, 2, 3]
    assert read(strides=(2,)) == [0, 2, 4, 6]
    for bad in ({"shape": (-4,)}, {"shape": (), "ndim": 3}, {"shape": (2**62, 4)}, {"strides": (-1,)}, {"strides": (2**62,)},
                {"strides": (2**61,)}, {"data": False}, {"ndim": -1}, {"ndim": 100000}, {"name": b"other"}):
        with pytest.raises(RuntimeError):
            read(**bad)
