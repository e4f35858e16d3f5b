"""One vector of real numbers for all matrices M_q, complex ones as pairs; cutting it up copies nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from darkstate.spins.exact.basis import Array
from darkstate.spins.exact.generator import Blocks, Generator


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where each M_q stands in the vector.

    Args:
        shapes: (q, shape, whether complex) in order.
    """

    shapes: tuple[tuple[int, tuple[int, int], bool], ...]

    @classmethod
    def of(cls, generator: Generator, charges: Iterable[int] | None = None) -> Layout:
        """The layout of some charges of a generator, by default all."""
        wanted = generator.charges if charges is None else charges
        shape = {q: (generator.local[q][0].shape[0], generator.local[q][1].shape[0]) for q in wanted}
        return cls(tuple((q, s, bool(q) and generator.complex) for q, s in shape.items()))

    @property
    def size(self) -> int:
        """Length of the vector."""
        return sum(m * n * (2 if double else 1) for _, (m, n), double in self.shapes)

    def split(self, values: Array) -> dict[int, Any]:
        """The matrices M_q as views."""
        blocks, start = {}, 0
        for q, (m, n), double in self.shapes:
            end = start + m * n * (2 if double else 1)
            part: Any = values[start:end]
            blocks[q] = (part.view(complex) if double else part).reshape(m, n)
            start = end
        return blocks

    def join(self, blocks: Blocks) -> Array:
        """The vector of these matrices."""
        values = np.empty(self.size)
        for q, part in self.split(values).items():
            part[:] = blocks[q]
        return values
