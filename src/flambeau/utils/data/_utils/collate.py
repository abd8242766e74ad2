"""How a list of items becomes a batch."""
from __future__ import annotations

import collections.abc
import re
from collections.abc import Callable
from typing import Any

import flambeau as torch

np_str_obj_array_pattern = re.compile(r"[SaUO]")  # kinds of array elements that no tensor holds
default_collate_err_msg_format = ("default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
                                  "found {}")


def _array_types() -> tuple:
    """NumPy's array and scalar types; none where nobody has imported NumPy, for then no item can be of them."""
    import sys

    numpy = sys.modules.get("numpy")
    return (numpy.ndarray, numpy.generic) if numpy is not None else ()


def _is_text(dtype: Any) -> bool:
    return dtype.kind in "SUaO"


def default_convert(data: Any) -> Any:
    """Arrays to tensors, inside mappings, tuples and sequences too; everything else stays as it is.

    >>> import numpy
    >>> torch.utils.data.default_convert({"x": numpy.ones(2)})
    {'x': tensor([1., 1.], dtype=torch.float64)}
    """
    kind = type(data)
    if isinstance(data, torch.Tensor):
        return data
    if isinstance(data, _array_types()):
        return data if _is_text(data.dtype) else torch.as_tensor(data)
    if isinstance(data, collections.abc.Mapping):
        try:
            return _like_mapping(data, {key: default_convert(value) for key, value in data.items()})
        except TypeError:
            return {key: default_convert(value) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return kind(*(default_convert(value) for value in data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, collections.abc.Sequence) and not isinstance(data, (str, bytes)):
        try:
            return _like_sequence(data, [default_convert(value) for value in data])
        except TypeError:
            return [default_convert(value) for value in data]
    return data


def _like_mapping(example: Any, values: dict) -> Any:
    """A mapping of the example's type with new values."""
    if isinstance(example, collections.abc.MutableMapping):
        import copy

        result = copy.copy(example)
        result.update(values)
        return result
    return type(example)(values)


def _like_sequence(example: Any, values: list) -> Any:
    """A sequence of the example's type with new values."""
    if isinstance(example, collections.abc.MutableSequence):
        import copy

        result = copy.copy(example)
        for i, value in enumerate(values):
            result[i] = value
        return result
    return type(example)(values)


def collate(batch: list, *, collate_fn_map: dict[Any, Callable] | None = None) -> Any:
    """Make a batch of items with the functions of a table from types to functions; containers go item by item.

    A function is called as `function(batch, collate_fn_map=table)`. Errors: TypeError for types not in the table,
    RuntimeError for sequences of different lengths.
    """
    item = batch[0]
    kind = type(item)
    if collate_fn_map is not None:
        if kind in collate_fn_map:
            return collate_fn_map[kind](batch, collate_fn_map=collate_fn_map)
        for types, function in collate_fn_map.items():
            if isinstance(item, types):
                return function(batch, collate_fn_map=collate_fn_map)
        if torch.Tensor in collate_fn_map and (arrays := _array_types()) and isinstance(item, arrays):
            return (collate_numpy_array_fn if isinstance(item, arrays[0])
                    else collate_numpy_scalar_fn)(batch, collate_fn_map=collate_fn_map)

    if isinstance(item, collections.abc.Mapping):
        columns = {key: collate([one[key] for one in batch], collate_fn_map=collate_fn_map) for key in item}
        try:
            return _like_mapping(item, columns)
        except TypeError:
            return columns
    if isinstance(item, tuple) and hasattr(item, "_fields"):
        return kind(*(collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch)))
    if isinstance(item, collections.abc.Sequence):
        size = len(item)
        if not all(len(one) == size for one in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        parts = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch)]
        if isinstance(item, tuple):
            return parts
        try:
            return _like_sequence(item, parts)
        except TypeError:
            return parts
    raise TypeError(default_collate_err_msg_format.format(kind))


def collate_tensor_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    if batch[0].layout != torch.strided:
        raise RuntimeError("Batches of sparse tensors are not currently supported by the default collate_fn; please provide a custom collate_fn to "
                           "handle them appropriately.")
    return torch.stack(list(batch), 0)


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    if _is_text(batch[0].dtype):
        raise TypeError(default_collate_err_msg_format.format(batch[0].dtype))
    return collate([torch.as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    if _is_text(batch[0].dtype):
        return list(batch)
    return torch.as_tensor(list(batch)) if len({item.dtype for item in batch}) > 1 else torch.stack(
        [torch.as_tensor(item) for item in batch], 0)


def collate_float_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return torch.tensor(batch, dtype=torch.float64)


def collate_int_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return torch.tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return batch


# NumPy's types have their place behind these: they are looked at only where NumPy is loaded.
default_collate_fn_map: dict[Any, Callable] = {torch.Tensor: collate_tensor_fn, float: collate_float_fn,
                                               int: collate_int_fn, str: collate_str_fn, bytes: collate_str_fn}


def default_collate(batch: list) -> Any:
    """Make a batch of items: tensors and arrays are stacked, numbers become tensors, strings stay in a list.

    Inside mappings, tuples and sequences each field is collated. Errors: TypeError for other types, RuntimeError
    where sizes differ.

    >>> torch.utils.data.default_collate([(1, {"x": 0.5}), (2, {"x": 1.5})])
    [tensor([1, 2]), {'x': tensor([0.5000, 1.5000], dtype=torch.float64)}]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
