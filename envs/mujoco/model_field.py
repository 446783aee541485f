"""A field of a compiled MuJoCo model as the place of a feature."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.lookup import require_extra, unknown_name

_OBJECTS = {
    "body": "mjOBJ_BODY",
    "geom": "mjOBJ_GEOM",
    "jnt": "mjOBJ_JOINT",
    "dof": "mjOBJ_JOINT",
    "actuator": "mjOBJ_ACTUATOR",
    "site": "mjOBJ_SITE",
    "tendon": "mjOBJ_TENDON",
}
"""What the first index of a field counts, by the field's prefix; a name stands for its number, or its numbers."""
_DOFS_OF_JOINT = (6, 3, 1, 1)  # mjtJoint: free, ball, slide, hinge


@dataclass(frozen=True)
class ModelField:
    """A number or numbers of the environment's MuJoCo model, ``env.unwrapped.model``.

    path: as in MuJoCo, with an index if need be, whose first part may be a name of the XML: "opt.gravity[2]",
    "opt.timestep", "body_mass[torso]", "geom_friction[:, 0]", "dof_damping[hinge]", "actuator_gear[0, 0]".
    scaled: the feature multiplies the model's own numbers (so its default is 1) instead of replacing them.
    """

    path: str
    scaled: bool = False

    def __post_init__(self) -> None:
        self._parts()

    def read(self, env: Any) -> Any:
        """Give a copy of the numbers; ValueError names the nearest field or object where the path leads nowhere."""
        holder, name, index = self._locate(env)
        value = getattr(holder, name)
        if index is None:
            return value
        numbers: NDArray[np.float64] = np.array(value[index])
        return numbers

    def write(self, env: Any, value: Any, own: Any) -> None:
        """Set the numbers, or scale the model's own ones."""
        holder, name, index = self._locate(env)
        number = own * value if self.scaled else value
        if index is None:
            setattr(holder, name, number)
        else:
            getattr(holder, name)[index] = number

    def _parts(self) -> tuple[list[str], list[str]]:
        match = re.fullmatch(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\[([^\[\]]+)\])?", self.path)
        if match is None:
            raise ValueError(
                "a model field is written as 'opt.gravity[2]', 'body_mass[torso]' or 'geom_friction[:, 0]', found "
                f"{self.path!r}."
            )
        fields, index = match.groups()
        return fields.split("."), [entry.strip() for entry in index.split(",")] if index else []

    def _locate(self, env: Any) -> tuple[Any, str, tuple[Any, ...] | None]:
        """Give the object that holds the field, the field's name, and its index: None for a single number."""
        (*owners, name), entries = self._parts()
        holder = model_of(env)
        for owner in owners:
            holder = _member(holder, owner)
        field = _member(holder, name)
        if isinstance(field, float):
            if entries:
                raise ValueError(f"the model field {name!r} is one number and takes no index, found {self.path!r}.")
            return holder, name, None
        if not (isinstance(field, np.ndarray) and np.issubdtype(field.dtype, np.floating)):
            raise ValueError(f"a feature needs a model field of real numbers, found {self.path!r}.")
        index = tuple(_index(holder, name, entry, axis) for axis, entry in enumerate(entries)) or (...,)
        self._require_numbers(field, index)
        return holder, name, index

    def _require_numbers(self, field: NDArray[Any], index: tuple[Any, ...]) -> None:
        try:
            n_numbers = np.size(field[index])
        except IndexError:
            n_numbers = 0
        if n_numbers == 0:
            raise ValueError(f"the model field {self.path!r} names no number: it has the shape {field.shape}.")


def model_of(env: Any) -> Any:
    """Give the MuJoCo model of an unwrapped environment; ValueError where it has none."""
    mujoco = require_extra("mujoco", "mujoco", "a ModelField belongs to MuJoCo")
    model = getattr(env, "model", None)
    if not isinstance(model, mujoco.MjModel):
        raise ValueError(
            f"a ModelField needs an environment with a MuJoCo model, found {type(env).__name__}; use an Attribute."
        )
    return model


def recompute_constants(env: Any) -> None:
    """Let MuJoCo derive what follows from masses and the like at the initial position (mj_setConst)."""
    mujoco: Any = require_extra("mujoco", "mujoco", "a ModelField belongs to MuJoCo")
    model = model_of(env)
    mujoco.mj_setConst(model, mujoco.MjData(model))


def has_model(env: Any) -> bool:
    """Say whether an unwrapped environment runs on MuJoCo, without importing it."""
    return type(getattr(env, "model", None)).__module__.partition(".")[0] == "mujoco"


def _member(holder: Any, name: str) -> Any:
    if not hasattr(holder, name):
        raise unknown_name("field of the MuJoCo model", name, _fields(holder))
    return getattr(holder, name)


def _fields(holder: Any) -> Iterator[str]:
    for name in dir(holder):
        if not name.startswith("_") and isinstance(getattr(holder, name), float | np.ndarray):
            yield name


def _index(model: Any, field: str, entry: str, axis: int) -> int | slice:
    if re.fullmatch(r"-?\d+", entry):
        return int(entry)
    if match := re.fullmatch(r"(-?\d*):(-?\d*)", entry):
        start, stop = (int(end) if end else None for end in match.groups())
        return slice(start, stop)
    prefix = field.partition("_")[0]
    if axis > 0 or prefix not in _OBJECTS:
        raise ValueError(f"the index of the model field {field!r} is made of numbers and ':', found {entry!r}.")
    number = _number(model, prefix, entry)
    if prefix != "dof":
        return number
    first = int(model.jnt_dofadr[number])
    return slice(first, first + _DOFS_OF_JOINT[int(model.jnt_type[number])])


def _number(model: Any, prefix: str, name: str) -> int:
    """Give the number of the body, geom, ... of that name."""
    mujoco: Any = require_extra("mujoco", "mujoco", "a ModelField belongs to MuJoCo")
    kind = getattr(mujoco.mjtObj, _OBJECTS[prefix])
    number: int = mujoco.mj_name2id(model, kind, name)
    if number < 0:
        count = {"dof": "njnt", "actuator": "nu"}.get(prefix, f"n{prefix}")
        names = (mujoco.mj_id2name(model, kind, i) for i in range(getattr(model, count)))
        raise unknown_name(f"{prefix} of the MuJoCo model", name, [found for found in names if found])
    return number
