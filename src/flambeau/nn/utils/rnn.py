"""Sequences of different lengths: padding them to one tensor, and packing them without padding."""

from __future__ import annotations

from collections import namedtuple

import flambeau as torch
from flambeau import Tensor

__all__ = ["PackedSequence", "invert_permutation", "pack_padded_sequence", "pad_packed_sequence", "pad_sequence",
           "unpad_sequence", "pack_sequence", "unpack_sequence"]

PackedSequence_ = namedtuple("PackedSequence_", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"])
PackedSequence_.__annotations__ = {"data": Tensor, "batch_sizes": Tensor, "sorted_indices": "Tensor | None",
                                   "unsorted_indices": "Tensor | None"}


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes `permutation`."""
    if permutation is None:
        return None
    return torch.empty_like(permutation).scatter_(
        0, permutation, torch.arange(0, permutation.numel(), device=permutation.device))


class PackedSequence(PackedSequence_):
    """Sequences sorted by falling length, stored time step after time step: batch_sizes[t] of them reach step t.

    Made by pack_padded_sequence and pack_sequence; recurrent layers take and return it.
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("PackedSequence: without batch_sizes, data must be the pair (data, batch_sizes)")
            data, batch_sizes = data
        if batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU; make a PackedSequence with pack_sequence or pack_padded_sequence"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def _replaced(self, data: Tensor) -> PackedSequence:
        if data is self.data:
            return self

        def follow(indices):
            return None if indices is None or indices.device == data.device else indices.to(data.device)

        move = self.sorted_indices is not None and self.sorted_indices.device != data.device
        return type(self)(data, self.batch_sizes, follow(self.sorted_indices) if move else self.sorted_indices,
                          follow(self.unsorted_indices) if move else self.unsorted_indices)

    def to(self, *args, **kwargs) -> PackedSequence:
        """`Tensor.to` of the data; indices follow to the device."""
        return self._replaced(self.data.to(*args, **kwargs))

    def cpu(self) -> PackedSequence:
        """On the CPU."""
        return self.to("cpu")

    def cuda(self, *args, **kwargs) -> PackedSequence:
        """On a CUDA device."""
        return self._replaced(self.data.cuda(*args, **kwargs))

    def pin_memory(self) -> PackedSequence:
        """In page-locked memory."""
        return type(self)(self.data.pin_memory(), self.batch_sizes,
                          None if self.sorted_indices is None else self.sorted_indices.pin_memory(),
                          None if self.unsorted_indices is None else self.unsorted_indices.pin_memory())

    def double(self) -> PackedSequence:
        """As float64."""
        return self.to(dtype=torch.double)

    def float(self) -> PackedSequence:
        """As float32."""
        return self.to(dtype=torch.float)

    def half(self) -> PackedSequence:
        """As float16."""
        return self.to(dtype=torch.half)

    def long(self) -> PackedSequence:
        """As int64."""
        return self.to(dtype=torch.long)

    def int(self) -> PackedSequence:
        """As int32."""
        return self.to(dtype=torch.int)

    def short(self) -> PackedSequence:
        """As int16."""
        return self.to(dtype=torch.short)

    def char(self) -> PackedSequence:
        """As int8."""
        return self.to(dtype=torch.int8)

    def byte(self) -> PackedSequence:
        """As uint8."""
        return self.to(dtype=torch.uint8)

    @property
    def is_cuda(self) -> bool:
        """True if the data is on a CUDA device."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """True if the data is in page-locked memory."""
        return self.data.is_pinned()


def pack_padded_sequence(input: Tensor, lengths, batch_first: bool = False,
                         enforce_sorted: bool = True) -> PackedSequence:
    """Pack a padded batch (T, N, ...) or (N, T, ...); lengths must fall unless enforce_sorted is False.

    >>> packed = torch.nn.utils.rnn.pack_padded_sequence(torch.tensor([[1, 4], [2, 5], [3, 0]]), [3, 2])
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 5, 3]), tensor([2, 2, 1]))
    """
    if not isinstance(lengths, Tensor):
        lengths = torch.as_tensor(lengths, dtype=torch.int64, device="cpu")
    elif lengths.device.type != "cpu":
        raise RuntimeError(f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.dim()}D "
                           f"{lengths.device} tensor")
    else:
        lengths = lengths.to(torch.int64)
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = torch.sort(lengths, descending=True)
        sorted_indices = sorted_indices.to(input.device)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    if batch_first:
        input = input.transpose(0, 1)
    counts = lengths.tolist()
    batch = input.size(1)
    if len(counts) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} (batch_size={batch})"
        )
    if batch == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if min(counts) <= 0:
        raise RuntimeError("Length of all samples has to be greater than 0, but found an element in 'lengths' that is "
                           "<= 0")
    if any(a < b for a, b in zip(counts, counts[1:])):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True; enforce_sorted=False "
            "sorts for you"
        )
    if counts[0] > input.size(0):
        raise RuntimeError(
            f"Expected sequence length to be at most {input.size(0)}, the size of the padded dimension, but "
            f"got {counts[0]}"
        )
    # Time is cut where sequences end; between cuts the same sequences are alive, so one slice takes many steps.
    parts, sizes = [], []
    start, alive = 0, batch
    while alive:
        end = counts[alive - 1]
        if end > start:
            parts.append(input[start:end, :alive].reshape(-1, *input.shape[2:]))
            sizes += [alive] * (end - start)
            start = end
        alive -= 1
    return PackedSequence(torch.cat(parts), torch.tensor(sizes, dtype=torch.int64), sorted_indices, None)


def pad_packed_sequence(sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0,
                        total_length: int | None = None) -> tuple[Tensor, Tensor]:
    """The inverse of pack_padded_sequence: (padded batch, lengths), padded to total_length steps if given."""
    steps = sequence.batch_sizes.size(0)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {steps}"
            )
    data = sequence.data
    sizes = sequence.batch_sizes.tolist()
    batch = sizes[0]
    out = data.new_full((total_length or steps, batch, *data.shape[1:]), padding_value)
    lengths = [0] * batch
    at = t = 0
    while t < steps:
        alive = sizes[t]
        end = t
        while end < steps and sizes[end] == alive:
            end += 1
        n = alive * (end - t)
        out[t:end, :alive] = data[at:at + n].view(end - t, alive, *data.shape[1:])
        at, t = at + n, end
        lengths[:alive] = [end] * alive
    lengths = torch.tensor(lengths, dtype=torch.int64)
    if batch_first:
        out = out.transpose(0, 1)
    unsorted = sequence.unsorted_indices
    if unsorted is not None:
        return out.index_select(0 if batch_first else 1, unsorted), lengths[unsorted.cpu()]
    return out, lengths


def pad_sequence(
    sequences, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Stack tensors of shapes (L_i, *) into one (T, N, *), or (N, T, *) if batch_first.

    >>> torch.nn.utils.rnn.pad_sequence([torch.tensor([1, 2]), torch.tensor([3])], batch_first=True)
    tensor([[1, 2],
            [3, 0]])
    """
    if not isinstance(sequences, Tensor):
        try:
            iter(sequences)
        except TypeError:
            raise RuntimeError("pad_sequence: Expected iterable for input sequences, but got arg of type: "
                               f"{type(sequences)}") from None
        sequences = tuple(sequences)
    else:
        sequences = sequences.unbind(0)
    return torch._C._nn.pad_sequence(sequences, batch_first, padding_value, padding_side)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded batch, each with its own length."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [sequence[:n] for sequence, n in zip(padded_sequences, lengths.tolist())]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack tensors of shapes (L_i, *)."""
    lengths = torch.as_tensor([sequence.size(0) for sequence in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The inverse of pack_sequence."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
