"""The formats a file from outside may have: HDF5, MATLAB, NumPy and text, told apart by their first bytes.

One class per format with the same three questions: `array(name)`, `number(name)`, `listing()`. Only the child process
of `guard` opens files with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from darkstate.errors import InputError
from darkstate.records.guard import label, one_line

MAX_RATIO = 1100
"""Zeros compressed by zlib shrink by less than this."""

MAX_ENTRIES = 500

Listing = dict[str, list[dict[str, Any]]]


def refuse(path: Path, text: str) -> InputError:
    """The error of one sentence about a file."""
    return InputError([f"{label(path)}: {text}"])


def unknown(path: Path, name: str, known: Sequence[str]) -> InputError:
    """The error of a name that a file does not hold, with the nearest one."""
    near = get_close_matches(name[:100], known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"it holds {one_line(', '.join(known[:8])) or 'nothing'}"
    return refuse(path, f"holds no {one_line(name)!r}; {hint}")


def check_claim(path: Path, name: str, wanted: int, stored: int) -> None:
    """Refuse an array that cannot be as large as it says."""
    if wanted > MAX_RATIO * stored:
        raise refuse(path, f"{name!r} claims {wanted} bytes, but the file holds {stored} of it; it is damaged")


def check_numbers(path: Path, name: str, array: Any) -> None:
    """Refuse what are no samples: texts, objects, complex numbers, nothing."""
    if array.dtype.kind not in "iuf" or array.dtype.itemsize not in (1, 2, 4, 8):
        cure = "name the real and the imaginary part" if array.dtype.kind == "c" else "name an array of real numbers"
        raise refuse(path, f"{name!r} holds {one_line(str(array.dtype))}; {cure}")
    if math.prod(array.shape) == 0:
        raise refuse(path, f"{name!r} is empty; name an array with samples")


def one_number(path: Path, name: str, value: Any) -> float:
    """The number that an array of one number holds."""
    if not isinstance(value, (int, float)) and (math.prod(value.shape or ()) != 1 or value.dtype.kind not in "iuf"):
        raise refuse(path, f"{one_line(name)!r} is not one number; name one or write the number into the mapping")
    return float(np.asarray(value[()] if np.ndim(value) == 0 else value[...]).item())


class _Field:
    """One column of an HDF5 table, read slice by slice."""

    def __init__(self, table: Any, field: str) -> None:
        self._table, self._field = table, field
        self.shape, self.dtype = table.shape, table.dtype[field]

    def __getitem__(self, where: Any) -> Any:
        return self._table.fields(self._field)[where]


class Hdf5:
    """HDF5 and MATLAB 7.3; MATLAB stores its axes in the reverse order."""

    def __init__(self, path: Path, matlab: bool) -> None:
        import h5py

        self.path, self.reverse, self._h5 = path, matlab, h5py
        self._file = h5py.File(path, "r")
        self.close = self._file.close

    def check_links(self) -> None:
        """Refuse a file any part of which stands elsewhere."""

        def visit(name: bytes | str, link: Any) -> bytes | str | None:
            return None if isinstance(link, self._h5.HardLink) else name

        found = self._file.visititems_links(visit)
        if found is not None:
            raise refuse(self.path, f"{one_line(str(found))!r} is a link to somewhere else; copy it into this file")

    def node(self, name: str) -> Any:
        """A group or an array, reached without any link."""
        node: Any = self._file
        for part in filter(None, name.split("/")):
            if not isinstance(node, self._h5.Group) or part not in node:
                raise unknown(self.path, name, [e["name"] for e in self.listing()["arrays"]])
            link = node.get(part, getlink=True)
            if not isinstance(link, self._h5.HardLink):
                raise refuse(
                    self.path, f"{one_line(name)!r} is a link to somewhere else; give the place of the data themselves"
                )
            node = node[part]
        return node

    def check(self, node: Any, name: str) -> None:
        """Refuse an array whose samples lie in other files or nowhere."""
        if node.is_virtual or node.external:
            raise refuse(self.path, f"{name!r} lies in other files; copy it into one file first")
        stored = min(node.id.get_storage_size(), self.path.stat().st_size)
        check_claim(self.path, name, (node.size or 0) * node.dtype.itemsize, stored)
        if node.chunks and node.id.get_num_chunks() < math.prod(
            -(-n // m) for n, m in zip(node.shape, node.chunks, strict=True)
        ):
            raise refuse(self.path, f"chunks of {name!r} are missing; restore the file from a copy")

    def array(self, name: str) -> Any:
        """An array, or the column after the colon of a table."""
        place, _, field = name.partition(":")
        node = self.node(place)
        if not isinstance(node, self._h5.Dataset):
            raise refuse(self.path, f"{one_line(name)!r} is a group, not an array; name an array in it")
        self.check(node, one_line(name))
        fields = node.dtype.names or ()
        if not field:
            return node
        if field not in fields:
            raise unknown(self.path, name, [f"{place}:{known}" for known in fields])
        return _Field(node, field)

    def number(self, name: str) -> float:
        """An attribute (place@name) or an array of one number."""
        place, sign, attribute = name.partition("@")
        node = self.node(place)
        if sign and attribute not in node.attrs:
            raise unknown(self.path, name, [f"{place}@{known}" for known in node.attrs])
        return one_number(self.path, name, node.attrs[attribute] if sign else self.array(name))

    def listing(self) -> Listing:
        """Every array and attribute, the first 500 of each."""
        found: Listing = {"arrays": [], "attributes": [self._attribute("", k) for k in list(self._file.attrs)]}

        def visit(name: str, node: Any) -> bool | None:
            if isinstance(node, self._h5.Dataset):
                kind = ", ".join(node.dtype.names) if node.dtype.names else str(node.dtype)
                found["arrays"].append({"name": name, "shape": list(node.shape or ()), "type": one_line(kind)})
            found["attributes"] += [self._attribute(name, k) for k in list(node.attrs)[:MAX_ENTRIES]]
            return True if len(found["arrays"]) >= MAX_ENTRIES else None

        self._file.visititems(visit)
        return found

    def _attribute(self, place: str, key: str) -> dict[str, Any]:
        owner = self._file[place] if place else self._file
        try:
            value = owner.attrs[key]
            value = value.item() if isinstance(value, np.generic) or np.size(value) == 1 else str(value)
        except (OSError, TypeError, ValueError, AttributeError):
            value = "(cannot be shown)"
        number = isinstance(value, (int, float)) and math.isfinite(value)
        return {"name": f"{place}@{key}", "value": value if number else one_line(str(value)[:200])}


class Matlab5:
    """MATLAB 4 to 7.2."""

    reverse = False

    def __init__(self, path: Path) -> None:
        from scipy import io

        self.path, self._io, self.close = path, io, lambda: None
        self._sizes = {name: shape for name, shape, _ in io.whosmat(path)}

    def array(self, name: str) -> Any:
        """A variable."""
        if name not in self._sizes:
            raise unknown(self.path, name, list(self._sizes))
        check_claim(self.path, name, math.prod(self._sizes[name]), self.path.stat().st_size)
        found = self._io.loadmat(self.path, variable_names=[name])[name]
        if not isinstance(found, np.ndarray):
            raise refuse(self.path, f"{name!r} is no full array; save it as one: x = full(x)")
        return found

    def number(self, name: str) -> float:
        """A variable of one number."""
        return one_number(self.path, name, self.array(name))

    def listing(self) -> Listing:
        """Every variable."""
        kinds = [
            {"name": name, "shape": list(shape), "type": kind} for name, shape, kind in self._io.whosmat(self.path)
        ]
        return {"arrays": kinds[:MAX_ENTRIES], "attributes": []}


class Npy:
    """One NumPy array; it has no name."""

    reverse = False

    def __init__(self, path: Path) -> None:
        self.path, self.close = path, lambda: None
        self._array = np.load(path, mmap_mode="r", allow_pickle=False)

    def array(self, name: str) -> Any:
        """The array."""
        if name:
            raise refuse(self.path, f"has one array without a name, not {one_line(name)!r}; leave that key out")
        return self._array

    def number(self, name: str) -> float:
        """A NumPy file holds no further numbers."""
        raise refuse(self.path, f"has no place for {one_line(name)!r}; write the number itself into the mapping")

    def listing(self) -> Listing:
        """The one array."""
        return {
            "arrays": [{"name": "", "shape": list(self._array.shape), "type": str(self._array.dtype)}],
            "attributes": [],
        }


class Csv:
    """Text with columns between ; , tabs or spaces; the first line may name them. # and % begin comments."""

    reverse = False

    def __init__(self, path: Path) -> None:
        self.path, self.close, self._skip = path, lambda: None, 0
        self.columns: list[str] = []
        with open(path, encoding="utf-8-sig") as file:
            for line in iter(lambda: file.readline(1 << 20), ""):
                if line.strip() and line.strip()[0] not in "#%":
                    break
                self._skip += 1
            else:
                raise refuse(path, "is empty; check the path")
        self._between = next((sign for sign in ";\t," if sign in line), None)
        cells = [cell.strip().strip('"') for cell in line.split(self._between)]
        self.width = len(cells)
        try:
            list(map(float, cells))
        except ValueError:
            self.columns, self._skip = cells, self._skip + 1

    def array(self, name: str) -> Any:
        """A named column, or the whole table if no name is given."""
        if name and name not in self.columns:
            raise unknown(self.path, name, self.columns)
        columns = [self.columns.index(name)] if name else None
        try:
            found = np.loadtxt(
                self.path,
                delimiter=self._between,
                skiprows=self._skip,
                usecols=columns,
                comments=["#", "%"],
                ndmin=2,
                encoding="utf-8-sig",
            )
        except ValueError as error:
            raise refuse(self.path, f"is no table of numbers ({one_line(str(error))})") from None
        return found[:, 0] if name else found

    def number(self, name: str) -> float:
        """A text file holds no further numbers."""
        raise refuse(self.path, f"has no place for {one_line(name)!r}; write the number itself into the mapping")

    def listing(self) -> Listing:
        """The columns; every line counts as a row."""
        with open(self.path, "rb") as file:
            rows = sum(1 for _ in file) - self._skip
        names = self.columns or [""]
        shape = [rows] if self.columns else [rows, self.width]
        return {"arrays": [{"name": n, "shape": shape, "type": "text"} for n in names], "attributes": []}


def opened(path: Path) -> Any:
    """The reader of a file, by its first bytes.

    Raises:
        InputError: empty, or a format that is not known.
    """
    with open(path, "rb") as file:
        start = file.read(520)
    if not start:
        raise refuse(path, "is empty; check the path")
    matlab = start.startswith(b"MATLAB 7.3")
    if matlab or start.startswith(b"\x89HDF\r\n\x1a\n") or start[512:].startswith(b"\x89HDF"):
        return Hdf5(path, matlab)
    if start.startswith(b"MATLAB 5.0"):
        return Matlab5(path)
    if start.startswith(b"\x93NUMPY"):
        return Npy(path)
    if b"\0" not in start:
        return Csv(path)
    raise refuse(path, "is none of HDF5, MATLAB, NumPy and text; save it as one of these")
