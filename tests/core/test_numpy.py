"""Exchange with NumPy and with the buffers, numbers and sequences of Python: what shares memory, what converts, what is refused."""
from checking import check_errors, check_values


FROM_NUMPY = [
    ("a = np.arange(6.).reshape(2, 3); t = torch.from_numpy(a); t[0, 0] = 9; a, t",
     "(array([[9., 1., 2.],\n       [3., 4., 5.]]), tensor([[9., 1., 2.],\n        [3., 4., 5.]], dtype"
     "=torch.float64))"),
    ("torch.from_numpy(np.arange(3)[::-1].copy())", "tensor([2, 1, 0])"),
    ("torch.from_numpy(np.array(3.5))", "tensor(3.5000, dtype=torch.float64)"),
]


def test_from_numpy():
    check_values(FROM_NUMPY)


FROM_NUMPY_ERRORS = [
    ("torch.from_numpy(np.arange(3)[::-1])",
     ValueError, "At least one stride in the given numpy array is negative, and tensors with"),
    ("torch.tensor(np.arange(3)[::-1])",
     ValueError, "At least one stride in the given numpy array is negative, and tensors with"),
    ("torch.as_tensor(np.arange(3)[::-1])",
     ValueError, "At least one stride in the given numpy array is negative, and tensors with"),
    ("torch.from_numpy(np.float32(3))", TypeError, "expected np.ndarray (got numpy.float32)"),
    ("torch.from_numpy(3)", TypeError, "expected np.ndarray (got int)"),
    ("torch.from_numpy([1])", TypeError, "expected np.ndarray (got list)"),
    ("torch.from_numpy(np.array(['a']))",
     TypeError, "can't convert np.ndarray of type numpy.str_. The only supported types are:"),
    ("torch.from_numpy(np.array([None]))",
     TypeError, "can't convert np.ndarray of type numpy.object_. The only supported types are:"),
    ("torch.from_numpy(np.array(['2020-01-01'], dtype='datetime64[D]'))",
     TypeError, ". The only supported types are: float64, float32, float16, complex64,"),
    ("torch.from_numpy(np.zeros(2, dtype='i4,f4'))",
     TypeError, "can't convert np.ndarray of type numpy.void. The only supported types are:"),
    ("torch.from_numpy(np.zeros(2, dtype='>i4'))",
     ValueError, "given numpy array has byte order different from the native byte order."),
    ("torch.from_numpy(np.zeros(2, dtype=np.longdouble))",
     TypeError, "can't convert np.ndarray of type numpy.longdouble. The only supported types"),
    ("torch.from_numpy(np.zeros(2, dtype=np.clongdouble))",
     TypeError, "can't convert np.ndarray of type numpy.clongdouble. The only supported types"),
    ("torch.from_numpy(np.array([b'ab']))",
     TypeError, "can't convert np.ndarray of type numpy.bytes_. The only supported types are:"),
    ("torch.tensor(np.array(['a']))",
     TypeError, "can't convert np.ndarray of type numpy.str_. The only supported types are:"),
    ("torch.tensor(np.array([1, None]))",
     TypeError, "can't convert np.ndarray of type numpy.object_. The only supported types are:"),
    ("torch.as_tensor(np.array([1, 2], dtype=object))",
     TypeError, "can't convert np.ndarray of type numpy.object_. The only supported types are:"),
]


def test_from_numpy_errors():
    check_errors(FROM_NUMPY_ERRORS)


TO_NUMPY = [
    ("t = torch.arange(6.).view(2, 3); a = t.numpy(); a[0, 0] = 7; t, a.strides, a.flags.writeable, a.flags.owndata",
     "(tensor([[7., 1., 2.],\n        [3., 4., 5.]]), (12, 4), True, False)"),
    ("t = torch.ones(2, requires_grad=True); t.numpy(force=True)", "array([1., 1.], dtype=float32)"),
    ("t = torch.ones(2, requires_grad=True); t.detach().numpy()", "array([1., 1.], dtype=float32)"),
    ("t = torch.ones(2, requires_grad=True); torch.set_grad_enabled(False); t.numpy()",
     "array([1., 1.], dtype=float32)"),
]


def test_to_numpy():
    check_values(TO_NUMPY)


TO_NUMPY_ERRORS = [
    ("torch.zeros(1, dtype=torch.bfloat16).numpy()", TypeError, "Got unsupported ScalarType BFloat16"),
    ("t = torch.ones(2, requires_grad=True); t.numpy()",
     RuntimeError, "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy()"),
    ("t = torch.ones(2, requires_grad=True); np.asarray(t)",
     RuntimeError, "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy()"),
]


def test_to_numpy_errors():
    check_errors(TO_NUMPY_ERRORS)


ARRAY_PROTOCOL = [
    ("torch.ones(2).__array__(), torch.ones(2).__array__(np.float64), torch.ones(2).__array__(dtype=np.int8)",
     "(array([1., 1.], dtype=float32), array([1., 1.]), array([1, 1], dtype=int8))"),
    ("torch.ones(2).__array__(copy=False) if False else 0", "0"),
    ("np.asarray([torch.ones(2), torch.ones(2)])", "array([[1., 1.],\n       [1., 1.]], dtype=float32)"),
    ("np.array([torch.ones(2), torch.ones(3)], dtype=object).shape", "(2,)"),
    ("np.stack([torch.ones(2), torch.ones(2)])", "array([[1., 1.],\n       [1., 1.]], dtype=float32)"),
    ("np.concatenate([torch.ones(2), torch.ones(1)])", "array([1., 1., 1.], dtype=float32)"),
    ("np.asarray(torch.ones(2, 2).T, order='C').strides, np.ascontiguousarray(torch.ones(2, 3).T).strides",
     "((8, 4), (8, 4))"),
    ("np.asfortranarray(torch.ones(2, 3)).strides", "(4, 8)"),
]


def test_array_protocol():
    check_values(ARRAY_PROTOCOL)


ARRAY_PROTOCOL_ERRORS = [
    ("np.asarray(torch.ones(2), dtype=np.float64, copy=False)",
     ValueError, "Unable to avoid copy while creating an array as requested."),
    ("np.asarray(torch.ones(2, dtype=torch.bfloat16))", TypeError, "Got unsupported ScalarType BFloat16"),
]


def test_array_protocol_errors():
    check_errors(ARRAY_PROTOCOL_ERRORS)


NUMPY_FUNCTIONS = [
    ("np.greater(torch.ones(2), 0)", "tensor([1, 1], dtype=torch.uint8)"),
    ("np.dot(torch.ones(2), torch.ones(2)), np.matmul(torch.ones(2, 2), torch.ones(2))",
     "(np.float32(2.0), tensor([2., 2.]))"),
]


def test_numpy_functions():
    check_values(NUMPY_FUNCTIONS)


NUMPY_FUNCTIONS_ERRORS = [
    ("np.sum(torch.ones(2, 3), axis=0)", TypeError, ""),
]


def test_numpy_functions_errors():
    check_errors(NUMPY_FUNCTIONS_ERRORS)


ARRAYS_INDEXED_BY_TENSORS = [
    ("a = np.zeros(3); a[torch.tensor([0])] = 5; a[1] = torch.tensor(7); a[2:] = torch.ones(1); a",
     "array([5., 7., 1.])"),
]


def test_arrays_indexed_by_tensors():
    check_values(ARRAYS_INDEXED_BY_TENSORS)


READ_ONLY_AND_ODD_ARRAYS = [
    ("a = np.ones(3); a.flags.writeable = False; torch.from_numpy(a)", "tensor([1., 1., 1.], dtype=torch.float64)"),
    ("a = np.ones(3); a.flags.writeable = False; torch.tensor(a), torch.as_tensor(a).shape",
     "(tensor([1., 1., 1.], dtype=torch.float64), torch.Size([3]))"),
    ("a = np.ones(3); a.flags.writeable = False; torch.asarray(a)", "tensor([1., 1., 1.], dtype=torch.float64)"),
    ("a = np.broadcast_to(np.ones(1), (3,)); torch.from_numpy(a).stride()", "(0,)"),
    ("a = np.zeros(9, dtype='u1')[1:9].view('f4'); torch.from_numpy(a).tolist()", "[0.0, 0.0]"),
    ("a = np.lib.stride_tricks.as_strided(np.zeros(10), (2, 3), (8, 16)); torch.from_numpy(a).stride()", "(1, 2)"),
]


def test_read_only_and_odd_arrays():
    check_values(READ_ONLY_AND_ODD_ARRAYS)


READ_ONLY_AND_ODD_ARRAYS_ERRORS = [
    ("a = np.zeros(3, dtype='i1,f4')['f1']; torch.from_numpy(a)",
     ValueError, "given numpy array strides not a multiple of the element byte size. Copy the"),
]


def test_read_only_and_odd_arrays_errors():
    check_errors(READ_ONLY_AND_ODD_ARRAYS_ERRORS)


LIFETIME = [
    ("import gc; t = torch.from_numpy(np.arange(1000.)); gc.collect(); t.sum()",
     "tensor(499500., dtype=torch.float64)"),
    ("t = torch.ones(1000); a = t.numpy(); del t; gc.collect(); a.sum()", "np.float32(1000.0)"),
    ("a = torch.ones(3).numpy(); torch.from_numpy(a).numpy() is a, torch.from_numpy(a).data_ptr() == a.ctypes.data",
     "(False, True)"),
]


def test_lifetime():
    check_values(LIFETIME)


LIFETIME_ERRORS = [
    ("a = np.arange(3.); t = torch.from_numpy(a); r = sys.getrefcount(a); del t; r - sys.getrefcount(a)",
     NameError, "name 'sys' is not defined"),
]


def test_lifetime_errors():
    check_errors(LIFETIME_ERRORS)


NUMPY_SCALARS = [
    ("torch.as_tensor(np.float64(1.5)), torch.as_tensor(np.int8(3)), torch.as_tensor([np.float64(1.5)])",
     "(tensor(1.5000, dtype=torch.float64), tensor(3, dtype=torch.int8), tensor([1.5000], dtype=torch.float64))"),
]


def test_numpy_scalars():
    check_values(NUMPY_SCALARS)


NUMPY_SCALARS_ERRORS = [
    ("x = torch.ones(3); x[0] = np.float64(3); x[1] = np.array(4.); x",
     TypeError, "can't assign a numpy.ndarray to a torch.FloatTensor"),
]


def test_numpy_scalars_errors():
    check_errors(NUMPY_SCALARS_ERRORS)


ARRAYS_ARE_NOT_TENSORS_ERRORS = [
    ("torch.sum(np.ones(2))", TypeError, "numpy.ndarray"),
    ("torch.add(torch.ones(2), np.ones(2))", TypeError, "numpy.ndarray"),
    ("torch.add(np.ones(2), 1)", TypeError, "numpy.ndarray"),
    ("torch.stack([np.ones(2)])", TypeError, ""),
]


def test_arrays_are_not_tensors_errors():
    check_errors(ARRAYS_ARE_NOT_TENSORS_ERRORS)


MORE_ARRAYS = [
    ("torch.from_numpy(np.matrix([[1, 2]])), torch.from_numpy(np.ma.array([1, 2]))",
     "(tensor([[1, 2]]), tensor([1, 2]))"),
    ("torch.tensor([[np.array([1]), np.array([2])]])", "tensor([[[1],\n         [2]]])"),
    ("torch.from_numpy(np.zeros(2, dtype='datetime64[s]').view('i8')).dtype", "torch.int64"),
    ("torch.zeros(2).numpy().__array_interface__['typestr'], torch.zeros(2, 2).numpy().T.flags.f_contiguous",
     "('<f4', True)"),
    ("torch.ones(2).__array_wrap__(np.ones(3)), torch.ones(2).__array_wrap__(np.array([True]))",
     "(tensor([1., 1., 1.], dtype=torch.float64), tensor([1], dtype=torch.uint8))"),
]


def test_more_arrays():
    check_values(MORE_ARRAYS)


MORE_ARRAYS_ERRORS = [
    ("torch.tensor([np.array(1), np.array(2)]), torch.tensor((np.array([1.]), np.array([2.])))",
     TypeError, "len() of unsized object"),
]


def test_more_arrays_errors():
    check_errors(MORE_ARRAYS_ERRORS)


PINNED = [
    ("t = torch.arange(3.); a = t.numpy(); t.add_(1); a", "array([1., 2., 3.], dtype=float32)"),
    ("list(np.ones(2, dtype=np.float32)) == torch.ones(2).tolist(), np.ones(2).tolist() == torch.ones(2)",
     "(True, False)"),
]


def test_pinned():
    check_values(PINNED)


PINNED_ERRORS = [
    ("t = torch.arange(3.); a = t.numpy(); t.resize_(1000)",
     RuntimeError, "Trying to resize storage that is not resizable"),
]


def test_pinned_errors():
    check_errors(PINNED_ERRORS)


CONSTRUCTORS = [
    ("torch.Tensor(np.ones((2, 2))).dtype, torch.FloatTensor(np.ones(2)), torch.LongTensor(np.array([1, 2]))",
     "(torch.float32, tensor([1., 1.]), tensor([1, 2]))"),
    ("torch.Tensor(np.int64(3)).shape", "torch.Size([3])"),
]


def test_constructors():
    check_values(CONSTRUCTORS)


BUFFERS = [
    ("np.frombuffer(torch.ones(2).numpy(), dtype=np.uint8).size, bytes(torch.tensor([1], dtype=torch.int16).numpy())",
     "(8, b'\\x01\\x00')"),
    ("bytes(torch.tensor([1, 2], dtype=torch.uint8))", "b'\\x01\\x02'"),
    ("bytearray(torch.tensor([1, 2], dtype=torch.uint8))", "bytearray(b'\\x01\\x02')"),
    ("bytes(torch.tensor([1, 2]))", "b'\\x01\\x02'"),
    ("bytes(torch.tensor(3))", "b'\\x00\\x00\\x00'"),
    ("torch.tensor(bytearray(b'ab')), torch.tensor(memoryview(b'ab'))", "(tensor([97, 98]), tensor([97, 98]))"),
    ("b = bytearray(b'abcd'); t = torch.frombuffer(b, dtype=torch.uint8); t[0] = 65; b", "bytearray(b'Abcd')"),
    ("b = bytearray(b'abcd'); t = torch.frombuffer(b, dtype=torch.uint8); del t; b.append(1); b",
     "bytearray(b'abcd\\x01')"),
]


def test_buffers():
    check_values(BUFFERS)


BUFFERS_ERRORS = [
    ("torch.tensor(b'ab')", TypeError, "new(): invalid data type 'bytes'"),
    ("torch.frombuffer(memoryview(bytearray(b'abcd'))[::2], dtype=torch.int8)",
     RuntimeError, "could not retrieve buffer from object"),
]


def test_buffers_errors():
    check_errors(BUFFERS_ERRORS)


PYTHON_OBJECTS = [
    ("import enum; E = enum.IntEnum('E', 'A B'); torch.tensor(E.B), torch.tensor([E.A, E.B]), torch.ones(3)[E.A]",
     "(tensor(2), tensor([1, 2]), tensor(1.))"),
]


def test_python_objects():
    check_values(PYTHON_OBJECTS)


PYTHON_OBJECTS_ERRORS = [
    ("import decimal, fractions; torch.tensor(decimal.Decimal('1.5'))",
     RuntimeError, "Could not infer dtype of decimal.Decimal"),
    ("import fractions; torch.tensor(fractions.Fraction(1, 2))", RuntimeError, "Could not infer dtype of Fraction"),
]


def test_python_objects_errors():
    check_errors(PYTHON_OBJECTS_ERRORS)


NESTED_SEQUENCES = [
    ("torch.tensor([[], [1]])", "tensor([], size=(2, 0))"),
    ("torch.tensor([torch.tensor(1.5), torch.tensor(2)])", "tensor([1.5000, 2.0000])"),
    ("torch.tensor([torch.tensor([1.5]), torch.tensor([2.])])", "tensor([1.5000, 2.0000])"),
    ("torch.tensor([[torch.tensor(1), 2]])", "tensor([[1, 2]])"),
    ("torch.tensor([torch.ones(1, 1)])", "tensor([1.])"),
    ("torch.tensor([torch.tensor(True)])", "tensor([True])"),
    ("torch.tensor([torch.tensor(1j)])", "tensor([0.+1.j])"),
    ("torch.tensor([torch.ones(1, requires_grad=True)])", "tensor([1.])"),
    ("x = torch.ones(2); torch.tensor(x), torch.tensor(x, dtype=torch.int8)",
     "(tensor([1., 1.]), tensor([1, 1], dtype=torch.int8))"),
]


def test_nested_sequences():
    check_values(NESTED_SEQUENCES)


NESTED_SEQUENCES_ERRORS = [
    ("torch.tensor(x for x in [1])", RuntimeError, "Could not infer dtype of generator"),
    ("torch.tensor({1, 2})", RuntimeError, "Could not infer dtype of set"),
    ("torch.tensor({1: 2}.values())", RuntimeError, "Could not infer dtype of dict_values"),
    ("torch.tensor([{}])", RuntimeError, "Could not infer dtype of dict"),
    ("torch.tensor([[1, 2], [3, [4]]])", TypeError, "'list' object cannot be interpreted as an integer"),
    ("torch.tensor([1, 'a'])", TypeError, "new(): invalid data type 'str'"),
    ("torch.tensor([1, None])", RuntimeError, "Could not infer dtype of NoneType"),
    ("torch.tensor([1., [2.]])", TypeError, "must be real number, not list"),
    ("torch.tensor([True, [1]])", TypeError, "'list' object cannot be interpreted as an integer"),
    ("torch.tensor([[[1, 2]], [[3]]])", ValueError, "expected sequence of length 2 at dim 2 (got 1)"),
    ("torch.tensor([[1], []])", ValueError, "expected sequence of length 1 at dim 1 (got 0)"),
    ("torch.tensor([torch.ones(2), torch.ones(2)])",
     ValueError, "only one element tensors can be converted to Python scalars"),
    ("torch.tensor([torch.tensor(1.5)], dtype=torch.int64)",
     TypeError, "only integer tensors of a single element can be converted to an index"),
    ("torch.tensor((1, (2,)))", TypeError, "'tuple' object cannot be interpreted as an integer"),
]


def test_nested_sequences_errors():
    check_errors(NESTED_SEQUENCES_ERRORS)


RANGES_OF_TYPES = [
    ("torch.tensor([1e39]), torch.tensor([-1e39], dtype=torch.float32), torch.tensor(1e39, dtype=torch.float32)",
     "(tensor([inf]), tensor([-inf]), tensor(inf))"),
    ("torch.tensor(1 << 70, dtype=torch.float32)", "tensor(1.1806e+21)"),
]


def test_ranges_of_types():
    check_values(RANGES_OF_TYPES)


RANGES_OF_TYPES_ERRORS = [
    ("torch.tensor(-1, dtype=torch.uint64)", OverflowError, "can't convert negative int to unsigned"),
    ("torch.tensor(70000, dtype=torch.uint16)",
     RuntimeError, "value cannot be converted to type uint16 without overflow"),
    ("torch.tensor(-300, dtype=torch.uint8)", RuntimeError, "value cannot be converted to type uint8 without overflow"),
    ("torch.tensor(float('inf'), dtype=torch.int32)",
     RuntimeError, "value cannot be converted to type int32 without overflow"),
]


def test_ranges_of_types_errors():
    check_errors(RANGES_OF_TYPES_ERRORS)


OPERATORS_WITH_ARRAYS = [
    ("torch.ones(2) != np.ones(2)", "True"),
    ("np.zeros(2) != torch.ones(2)", "True"),
    ("torch.ones(2) == np.array('a')", "False"),
    ("torch.ones(2) == np.array(1)", "tensor([True, True])"),
    ("torch.ones(2, dtype=torch.int64) == np.ones(2)", "tensor([True, True])"),
    ("torch.ones(2).__eq__(np.ones(2))", "tensor([True, True])"),
    ("torch.ones(2).__lt__(np.ones(2))", "NotImplemented"),
    ("torch.ones(2).__add__(np.ones(2))", "NotImplemented"),
    ("torch.ones(2).__add__('a')", "NotImplemented"),
    ("torch.ones(2).__eq__('a')", "NotImplemented"),
    ("torch.ones(2).__radd__(np.ones(2))", "NotImplemented"),
    ("torch.tensor([True, True]) & np.array([True, False])", "tensor([1, 0], dtype=torch.uint8)"),
    ("torch.tensor([True, True]) | np.array([True, False])", "tensor([1, 1], dtype=torch.uint8)"),
    ("torch.tensor([3]) // np.array([2])", "tensor([1])"),
    ("torch.tensor([3]) % np.array([2])", "tensor([1])"),
    ("torch.tensor([3]) ** np.array([2])", "tensor([9])"),
    ("torch.tensor([3]) << np.array([2])", "tensor([12])"),
    ("torch.ones(2) + np.ones(2, dtype=np.float32)", "tensor([2., 2.])"),
    ("torch.ones(2) + np.ones(2, dtype=np.int64)", "tensor([2., 2.], dtype=torch.float64)"),
    ("torch.ones(2) + np.ones((2, 1))", "tensor([[2., 2.],\n        [2., 2.]], dtype=torch.float64)"),
    ("torch.ones(2) @ np.ones((2, 2))", "tensor([2., 2.], dtype=torch.float64)"),
    ("x = torch.ones(2); x -= np.ones(2); x", "tensor([0., 0.], dtype=torch.float64)"),
    ("x = torch.ones(2); x *= np.ones(2); type(x)", "<class 'torch.Tensor'>"),
    ("x = torch.ones(2); x /= np.float64(2); x", "tensor([0.5000, 0.5000])"),
]


def test_operators_with_arrays():
    check_values(OPERATORS_WITH_ARRAYS)


OPERATORS_WITH_ARRAYS_ERRORS = [
    ("torch.ones(2).eq(np.ones(2))",
     TypeError, "eq() received an invalid combination of arguments - got (numpy.ndarray), but"),
    ("torch.ones(2) < np.ones(2)", TypeError, "'<' not supported between instances of 'Tensor' and 'numpy.ndarray'"),
    ("torch.ones(2) >= np.zeros(2)", TypeError, "'>=' not supported between instances of 'Tensor' and 'numpy.ndarray'"),
    ("np.zeros(2) <= torch.ones(2)", TypeError, "'<=' not supported between instances of 'numpy.ndarray' and 'Tensor'"),
    ("torch.ones(2) == np.ones(3)",
     RuntimeError, "The size of tensor a (2) must match the size of tensor b (3) at non-singleton"),
    ("torch.ones(2).eq([1, 1])",
     TypeError, "eq() received an invalid combination of arguments - got (list), but expected"),
    ("torch.ones(2, requires_grad=True) + np.ones(2)",
     RuntimeError, "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy()"),
    ("np.ones(2) + torch.ones(2, requires_grad=True)",
     TypeError, "Concatenation operation is not implemented for NumPy arrays, use"),
    ("torch.ones(2) & np.array([True, False])",
     TypeError, "ufunc 'bitwise_and' not supported for the input types, and the inputs could not"),
]


def test_operators_with_arrays_errors():
    check_errors(OPERATORS_WITH_ARRAYS_ERRORS)


RANGES_OF_TYPES_WRITTEN = [
    ("torch.tensor([1+1j], dtype=torch.bool)", "tensor([True])"),
    ("torch.tensor(2**70, dtype=torch.bool)", "tensor(True)"),
    ("torch.tensor([-2**63-1], dtype=torch.float64)", "tensor([-9.2234e+18], dtype=torch.float64)"),
    ("torch.full((1,), 2**63, dtype=torch.uint64)", "tensor([9223372036854775808], dtype=torch.uint64)"),
    ("torch.tensor([1]) + 2**63", "tensor([-9223372036854775807])"),
    ("torch.tensor([1], dtype=torch.int8) + 300", "tensor([45], dtype=torch.int8)"),
    ("torch.tensor([1], dtype=torch.uint8) + 300", "tensor([45], dtype=torch.uint8)"),
    ("torch.tensor([1], dtype=torch.uint8) == 300", "tensor([False])"),
    ("torch.tensor([1], dtype=torch.uint8).add_(300)", "tensor([45], dtype=torch.uint8)"),
    ("torch.tensor([1], dtype=torch.int8).fill_(1.7)", "tensor([1], dtype=torch.int8)"),
    ("torch.tensor([1], dtype=torch.uint8).fill_(-1)", "tensor([255], dtype=torch.uint8)"),
    ("torch.tensor([1.], dtype=torch.float16).fill_(1e6)", "tensor([inf], dtype=torch.float16)"),
    ("torch.tensor([1]).fill_(torch.tensor(2.7))", "tensor([2])"),
    ("torch.tensor([1], dtype=torch.uint8).masked_fill(torch.tensor([True]), 1.5)", "tensor([1], dtype=torch.uint8)"),
    ("torch.arange(300, dtype=torch.uint8).shape", "torch.Size([300])"),
    ("torch.tensor([True]).fill_(2), torch.tensor([True]).fill_(0.5)", "(tensor([True]), tensor([True]))"),
    ("torch.full((1,), 2, dtype=torch.bool), torch.full((1,), 1j, dtype=torch.complex64)",
     "(tensor([True]), tensor([0.+1.j]))"),
]


def test_ranges_of_types_written():
    check_values(RANGES_OF_TYPES_WRITTEN)


RANGES_OF_TYPES_WRITTEN_ERRORS = [
    ("torch.tensor([1+1j], dtype=torch.float32)", TypeError, "must be real number, not complex"),
    ("torch.tensor([1+1j], dtype=torch.int32)", TypeError, "'complex' object cannot be interpreted as an integer"),
    ("torch.tensor([2**63])", ValueError, "Overflow when unpacking long long"),
    ("torch.tensor([-2**63-1])", ValueError, "Overflow when unpacking long long"),
    ("torch.ones(1) * 2**64", OverflowError, "int too big to convert"),
    ("torch.tensor([1]) + 2**64", OverflowError, "int too big to convert"),
    ("torch.tensor([1], dtype=torch.uint8).fill_(300)",
     RuntimeError, "value cannot be converted to type uint8_t without overflow"),
    ("torch.tensor([1], dtype=torch.int8).fill_(float('inf'))",
     RuntimeError, "value cannot be converted to type int8_t without overflow"),
    ("torch.tensor([1], dtype=torch.int8).fill_(-200)",
     RuntimeError, "value cannot be converted to type int8_t without overflow"),
    ("torch.tensor([1], dtype=torch.uint8).fill_(-1.5)",
     RuntimeError, "value cannot be converted to type uint8_t without overflow"),
    ("torch.tensor([1]).fill_(1e30)", RuntimeError, "value cannot be converted to type int64_t without overflow"),
    ("torch.tensor([1.], dtype=torch.float32).fill_(1e40)",
     RuntimeError, "value cannot be converted to type float without overflow"),
    ("torch.tensor([1], dtype=torch.uint8).masked_fill_(torch.tensor([True]), 300)",
     RuntimeError, "value cannot be converted to type uint8_t without overflow"),
    ("torch.tensor([1], dtype=torch.uint8).index_fill(0, torch.tensor([0]), 300)",
     RuntimeError, "value cannot be converted to type uint8_t without overflow"),
    ("torch.tensor([1], dtype=torch.uint8).scatter(0, torch.tensor([0]), 300)",
     RuntimeError, "value cannot be converted to type uint8_t without overflow"),
    ("torch.nn.functional.pad(torch.tensor([1], dtype=torch.uint8), (1, 1), value=300)",
     RuntimeError, "value cannot be converted to type uint8_t without overflow"),
    ("torch.full_like(torch.tensor([1], dtype=torch.uint8), 300)",
     RuntimeError, "value cannot be converted to type uint8_t without overflow"),
    ("torch.tensor([1], dtype=torch.uint8).new_full((1,), 300)",
     RuntimeError, "value cannot be converted to type uint8_t without overflow"),
    ("torch.full((1,), 1j, dtype=torch.float32)",
     RuntimeError, "value cannot be converted to type float without overflow"),
    ("torch.full((1,), 1e40), torch.full((1,), 1e6, dtype=torch.float16)",
     RuntimeError, "value cannot be converted to type float without overflow"),
]


def test_ranges_of_types_written_errors():
    check_errors(RANGES_OF_TYPES_WRITTEN_ERRORS)
