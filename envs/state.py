"""State files: a tree of arrays and plain values as one NPZ, without pickle."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

_ARRAY_MARK = "__array__"


def state_to_bytes(state: Mapping[str, Any]) -> bytes:
    """Give a tree of dicts, lists, arrays, numbers, strings, booleans and None as the bytes of one NPZ file.

    Keys must be strings. Arrays keep dtype and bits. Raises TypeError for anything else, naming its place.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = json.dumps(_split(state, arrays, "state"))
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, tree=np.array(tree), **arrays)
    return stream.getvalue()


def state_from_bytes(data: bytes) -> dict[str, Any]:
    """Give back the tree that :func:`state_to_bytes` packed; ValueError where the bytes are damaged."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            tree = json.loads(str(arrays["tree"]))
            state = _join(tree, arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"a state file (NPZ) is damaged or of another kind: {error}. Use an earlier checkpoint."
        ) from error
    assert isinstance(state, dict)
    return state


def _split(value: Any, arrays: dict[str, np.ndarray[Any, Any]], place: str) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError(f"{place} is an array of Python objects; a state holds numeric and string arrays.")
        key = f"a{len(arrays)}"
        arrays[key] = value
        return {_ARRAY_MARK: key}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{place} has the key {key!r}; the keys of a state are strings.")
        return {key: _split(entry, arrays, f"{place}.{key}") for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_split(entry, arrays, f"{place}[{i}]") for i, entry in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{place} is a {type(value).__name__}; a state holds arrays and plain values only.")


def _join(tree: Any, arrays: Mapping[str, Any]) -> Any:
    if isinstance(tree, dict):
        if tree.keys() == {_ARRAY_MARK}:
            return arrays[tree[_ARRAY_MARK]]
        return {key: _join(entry, arrays) for key, entry in tree.items()}
    if isinstance(tree, list):
        return [_join(entry, arrays) for entry in tree]
    return tree
