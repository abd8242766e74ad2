"""einsum: the equation and the operands' shapes are planned once (and remembered) as a list of pairwise contractions,
each one batched matrix product or one broadcast multiplication."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import flambeau as torch

from .._operator import plain

_PLANS: dict[tuple, _Plan] = {}
_MOST_PLANS = 512


class _Contraction(NamedTuple):
    """left x right: dims summed first, permutations, shapes as (batch, rows, columns); left_shape is
    None where nothing is summed and both are multiplied."""

    left: int
    right: int
    left_sum: list[int]
    right_sum: list[int]
    left_order: list[int]
    right_order: list[int]
    left_shape: list[int] | None
    right_shape: list[int] | None
    shape: list[int]


class _Plan(NamedTuple):
    diagonals: list[tuple[int, int, int]]  # operand, dim1, dim2 in order of execution
    squeezes: list[list[int]]
    contractions: list[_Contraction]
    total: list[int]  # dims summed at the end
    order: list[int]


class _Term:
    """An operand while planning: its labels and sizes."""

    __slots__ = ("labels", "sizes")

    def __init__(self, labels: list, sizes: list[int]) -> None:
        self.labels, self.sizes = labels, sizes

    def drop(self, unwanted: Any) -> list[int]:
        """Remove the labels and give the dims they stood at."""
        dims = [dim for dim, label in enumerate(self.labels) if label in unwanted]
        self.sizes = [size for label, size in zip(self.labels, self.sizes) if label not in unwanted]
        self.labels = [label for label in self.labels if label not in unwanted]
        return dims


@plain("einsum")
def einsum(*args: Any) -> torch.Tensor:
    """Sum of products by Einstein's convention: letters name dims, repeated ones are multiplied along, those missing
    after `->` are summed; `...` stands for broadcast dims. Also einsum(x, [0, 1], y, [1, 2], [0, 2]).

    >>> torch.einsum("ij,j->i", torch.tensor([[1, 2], [3, 4]]), torch.tensor([1, 1]))
    tensor([3, 7])
    """
    if len(args) < 2:
        raise ValueError("einsum(): must specify the equation string and at least one operand, or at least one "
                         "operand and its subscripts list")
    if isinstance(args[0], torch.Tensor):
        equation, operands = _from_sublists(args)
    else:
        equation, operands = args[0], args[1:]
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        return einsum(equation, *operands[0])
    key = (equation, *[operand.shape for operand in operands])
    plan = _PLANS.get(key)
    if plan is None:
        if len(_PLANS) >= _MOST_PLANS:
            _PLANS.clear()
        plan = _PLANS[key] = _make_plan(equation, [list(operand.shape) for operand in operands])
    return _run(plan, list(operands))


def _from_sublists(args: tuple) -> tuple[str, list]:
    def letters(indices: Any) -> str:
        text = ""
        for index in indices:
            if index is Ellipsis:
                text += "..."
            elif not 0 <= index < 52:
                raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
            else:
                text += chr(65 + index) if index < 26 else chr(71 + index)
        return text
    operands = list(args[:len(args) // 2 * 2:2])
    equation = ",".join(letters(indices) for indices in args[1::2])
    if len(args) % 2:
        equation += "->" + letters(args[-1])
    return equation, operands


def _run(plan: _Plan, terms: list) -> torch.Tensor:
    for position, dim1, dim2 in plan.diagonals:
        terms[position] = terms[position].diagonal(0, dim1, dim2)
    for position, dims in enumerate(plan.squeezes):
        if dims:
            terms[position] = terms[position].squeeze(dims)
    for step in plan.contractions:
        left, right = terms[step.left], terms[step.right]
        if step.left_sum:
            left = left.sum(step.left_sum)
        if step.right_sum:
            right = right.sum(step.right_sum)
        left, right = left.permute(step.left_order), right.permute(step.right_order)
        if step.left_shape is None:
            result = left.reshape([*left.shape, *[1] * (len(step.shape) - left.ndim)]) * right.reshape(step.right_shape)
        elif len(step.left_shape) == 2:
            result = torch.mm(left.reshape(step.left_shape), right.reshape(step.right_shape)).view(step.shape)
        else:
            result = torch.bmm(left.reshape(step.left_shape), right.reshape(step.right_shape)).view(step.shape)
        del terms[step.right]
        terms[step.left] = result
    result = terms[0]
    if plan.total:
        result = result.sum(plan.total)
    return result.permute(plan.order)


def _parse(equation: str, ranks: list[int]) -> tuple[list[list], list]:
    """Labels of each operand and of the output; the dims of `...` get integer labels counted from the right."""
    text = equation.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    words = inputs.split(",")
    if len(words) != len(ranks):
        more = "more" if len(words) < len(ranks) else "fewer"
        raise RuntimeError(f"einsum(): {more} operands were provided than specified in the equation "
                           f"(got {len(ranks)}, expected {len(words)})")
    widest, terms = 0, []
    for position, (word, rank) in enumerate(zip(words, ranks)):
        head, dots, tail = word.partition("...")
        letters = head + tail
        if not all(letter.isascii() and letter.isalpha() for letter in letters):
            raise RuntimeError(f"einsum(): invalid subscript given at operand {position} in the equation string "
                               f"{equation!r}, subscripts must be in [a-zA-Z]")
        spread = rank - len(letters)
        if spread < 0 or (spread and not dots):
            raise RuntimeError(f"einsum(): the number of subscripts in the equation ({len(letters)}) does not match "
                               f"the number of dimensions ({rank}) for operand {position}"
                               + ("" if dots else " and no ellipsis was given"))
        widest = max(widest, spread)
        terms.append([*head, *range(spread - 1, -1, -1), *tail])
    if arrow:
        head, dots, tail = output.partition("...")
        known = {label for term in terms for label in term}
        for position, letter in enumerate(head + tail):
            if not (letter.isascii() and letter.isalpha()):
                raise RuntimeError(f"einsum(): invalid subscript {letter!r} in the output of {equation!r}")
            if letter in (head + tail)[:position]:
                raise RuntimeError(f"einsum(): output subscript {letter} appears more than once in the output")
            if letter not in known:
                raise RuntimeError(f"einsum(): output subscript {letter} does not appear in the equation for any "
                                   "input operand")
        return terms, [*head, *(range(widest - 1, -1, -1) if dots else ()), *tail]
    flat = [label for term in terms for label in term if isinstance(label, str)]
    return terms, [*range(widest - 1, -1, -1), *sorted(label for label in set(flat) if flat.count(label) == 1)]


def _make_plan(equation: str, shapes: list[list[int]]) -> _Plan:
    labels, output = _parse(equation, [len(shape) for shape in shapes])
    terms = [_Term(names, shape) for names, shape in zip(labels, shapes)]
    diagonals = []
    for position, term in enumerate(terms):
        while len(set(term.labels)) < len(term.labels):
            repeated = next(label for label in term.labels if term.labels.count(label) > 1)
            first = term.labels.index(repeated)
            second = term.labels.index(repeated, first + 1)
            if term.sizes[first] != term.sizes[second]:
                raise RuntimeError(f"einsum(): subscript {repeated} is repeated for operand {position} but the sizes "
                                   f"don't match, {term.sizes[second]} != {term.sizes[first]}")
            diagonals.append((position, first, second))
            size = term.sizes[first]
            for dim in (second, first):
                del term.labels[dim], term.sizes[dim]
            term.labels.append(repeated)
            term.sizes.append(size)
    sizes: dict = {}
    for position, term in enumerate(terms):
        for label, size in zip(term.labels, term.sizes):
            seen = sizes.setdefault(label, size)
            if seen != size and 1 not in (seen, size):
                raise RuntimeError(f"einsum(): subscript {label} has size {size} for operand {position} which does "
                                   f"not broadcast with previously seen size {seen}")
            sizes[label] = size if seen == 1 else seen
    squeezes = []
    for term in terms:
        elsewhere = {label for other in terms if other is not term for label in other.labels}
        thin = {label for label, size in zip(term.labels, term.sizes)
                if size == 1 and label in elsewhere and sizes[label] != 1}
        squeezes.append(term.drop(thin))
    contractions = []
    while len(terms) > 1:
        left, right = _cheapest_pair(terms, output, sizes)
        contractions.append(_contract(terms, left, right, output))
    last = terms[0]
    total = last.drop(set(last.labels) - set(output))
    return _Plan(diagonals, squeezes, contractions, total, [last.labels.index(label) for label in output])


def _needed(terms: list[_Term], left: int, right: int, output: list) -> set:
    """Labels that the result of contracting two terms must keep."""
    keep = set(output)
    for position, term in enumerate(terms):
        if position not in (left, right):
            keep.update(term.labels)
    return keep


def _cheapest_pair(terms: list[_Term], output: list, sizes: dict) -> tuple[int, int]:
    """The pair whose result is smallest against its inputs (greedy order)."""
    if len(terms) == 2:
        return 0, 1
    best, choice = None, (0, 1)
    for left in range(len(terms)):
        for right in range(left + 1, len(terms)):
            a, b = terms[left], terms[right]
            keep = _needed(terms, left, right, output)
            result = prod(sizes[label] for label in {*a.labels, *b.labels} & keep)
            work = prod(sizes[label] for label in {*a.labels, *b.labels})
            gain = (result - prod(a.sizes) - prod(b.sizes), work)
            if best is None or gain < best:
                best, choice = gain, (left, right)
    return choice


def _contract(terms: list[_Term], left: int, right: int, output: list) -> _Contraction:
    a, b = terms[left], terms[right]
    keep = _needed(terms, left, right, output)
    left_sum = a.drop(set(a.labels) - keep - set(b.labels))
    right_sum = b.drop(set(b.labels) - keep - set(a.labels))
    size_a, size_b = dict(zip(a.labels, a.sizes)), dict(zip(b.labels, b.sizes))
    shared = [label for label in a.labels if label in size_b]
    batch = [label for label in shared if label in keep]
    summed = [label for label in shared if label not in keep]
    rows = [label for label in a.labels if label not in size_b]
    columns = [label for label in b.labels if label not in size_a]
    labels = batch + rows + columns
    shape = [size_a.get(label, size_b.get(label)) for label in labels]
    if summed:
        count = prod(size_a[label] for label in summed)
        m, n = prod(size_a[label] for label in rows), prod(size_b[label] for label in columns)
        k = [prod(size_a[label] for label in batch)] if batch else []
        left_order, right_order = batch + rows + summed, batch + summed + columns
        left_shape, right_shape = k + [m, count], k + [count, n]
    else:
        left_order, right_order, left_shape = batch + rows, batch + columns, None
        right_shape = [size_b[label] for label in batch] + [1] * len(rows) + [size_b[label] for label in columns]
    step = _Contraction(left, right, left_sum, right_sum, [a.labels.index(label) for label in left_order],
                        [b.labels.index(label) for label in right_order], left_shape, right_shape, shape)
    terms[left] = _Term(labels, shape)
    del terms[right]
    return step
