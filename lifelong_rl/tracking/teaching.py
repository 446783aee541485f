"""Seeing a teacher think: numbers and figures of the tasks it draws, live or from the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.envs.state import state_from_bytes
from lifelong_rl.scenarios import Scenario
from lifelong_rl.teachers import make_teacher, teacher_entry
from lifelong_rl.teachers.base import Teacher
from lifelong_rl.teachers.density import cell_evenness, covered_share
from lifelong_rl.teachers.failures import named
from lifelong_rl.teachers.progress import N_WITHOUT_PROGRESS, ProgressHistory
from lifelong_rl.tracking.run_folder import RunFolder
from lifelong_rl.tracking.task_distributions import task_distribution

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def drawn_statistics(points: NDArray[np.float64], space: TaskSpace) -> dict[str, float]:
    """Give what the last n tasks say of any teacher, shape (n, d) in the unit cube; nothing for none.

    recent_entropy: evenness over about 1,000 cells of the cube (an integer or a category has no more parts than
    values), 1 for tasks in cells of their own. recent_coverage: share of those cells that the tasks lie in.
    FEATURE_mean: of each feature that is a number, in its unit.
    """
    if not len(points):
        return {}
    numbers = {"recent_entropy": cell_evenness(points, space), "recent_coverage": covered_share(points, space)}
    for axis, feature in enumerate(space.features):
        if feature.kind != "category":
            numbers[f"{feature.name}_mean"] = float(np.mean(np.array(feature.from_unit(points[:, axis]), float)))
    return numbers


def teacher_statistics(
    teacher: Teacher, name: str, space: TaskSpace, points: NDArray[np.float64], scores: Sequence[float]
) -> dict[str, float]:
    """Give :func:`drawn_statistics`, the ``mean_alp`` of the tasks drawn lately, and the teacher's own diagnostics.

    points: those tasks, shape (n, d); scores: theirs, in the order in which the episodes ended. ``mean_alp`` is the
    mean absolute learning progress among them, each task against its nearest one before (see ProgressHistory); it is
    left out while there are too few, and where the teacher gives a ``mean_alp`` of its own that counts. name: what
    the teacher is called; ValueError says so where it fails, or a diagnostic is no finite number.
    """
    numbers = drawn_statistics(points, space)
    if len(points) > N_WITHOUT_PROGRESS:
        history = ProgressHistory(space)
        history.append(points, np.asarray(scores, dtype=np.float64))
        numbers["mean_alp"] = float(history.progress[N_WITHOUT_PROGRESS:].mean())
    with named(name, __file__, " at diagnostics"):
        own = teacher.diagnostics()
        for key, value in own.items():
            if not isinstance(value, Real) or not isfinite(value):
                raise ValueError(f"{key!r} is {value!r}, not a finite number")
        return numbers | {key: float(value) for key, value in own.items()}


def teacher_figure(
    teacher: Teacher | None, space: TaskSpace, points: NDArray[np.float64], scores: Sequence[float]
) -> Figure:
    """Draw the tasks that a teacher drew lately, shape (n, d), over its density now, with its Gaussians if any.

    teacher: None where it is not known any more; the tasks then stand alone.
    """
    if teacher is None:
        return task_distribution(points, scores, space)
    gaussians = getattr(teacher, "gaussians", lambda: None)()
    ellipses = [] if gaussians is None else list(zip(gaussians.means, gaussians.covariances, strict=True))
    name = teacher_entry(teacher)["name"]

    def density(at: NDArray[np.float64]) -> NDArray[np.float64]:
        with named(name, __file__, " at density"):
            found = np.asarray(teacher.density(at), dtype=np.float64)
            if found.shape != (len(at),) or not (np.isfinite(found) & (found >= 0.0)).all():
                raise ValueError(f"a density of {len(at)} points is that many finite numbers >= 0, found {found}")
            return found

    return task_distribution(points, scores, space, gaussians=ellipses, density=density)


def teacher_figures(folder: RunFolder) -> dict[str, Figure]:
    """Draw :func:`teacher_figure` for each block of a run whose tasks a teacher drew, from the run folder alone.

    By name: "task_distribution" for a run with one such block, else "task_distribution-N" for the N-th block.
    """
    data = folder.config["scenario"]
    taught = [index for index, block in enumerate(data["blocks"]) if block.get("teacher")]
    if not taught:
        return {}
    scenario = Scenario.from_json(data)
    episodes = [episode for episode in folder.episodes() if "params" in episode]
    drawn = {}
    for index in taught:
        own = [episode for episode in episodes if episode["block"] == index]
        if own:
            space = scenario.blocks[index].space(scenario.env_class.task_space)
            points = np.array([space.encode(episode["params"]) for episode in own])
            teacher = load_teacher(folder, index)
            name = "task_distribution" if len(taught) == 1 else f"task_distribution-{index + 1}"
            drawn[name] = teacher_figure(teacher, space, points, [episode["score"] for episode in own])
    return drawn


def load_teacher(folder: RunFolder, block: int = 0) -> Teacher | None:
    """Give the teacher of a block (0 is the first) as the run last saved it; None where it saved none.

    The run saves it with each figure, and at the block's end. Raises ValueError for a block without a teacher, and
    for a state that does not fit the run's configuration.
    """
    scenario = Scenario.from_json(folder.config["scenario"])
    if not 0 <= block < len(scenario.blocks) or not scenario.blocks[block].teacher:
        raise ValueError(f"block {block} of the run {folder.path} has no teacher; choose another block.")
    path = folder.teacher_path(block)
    if not path.is_file():
        return None
    found = scenario.blocks[block]
    teacher = make_teacher(found.teacher, **found.teacher_options)
    teacher.reset(found.space(scenario.env_class.task_space), np.random.default_rng(0))  # the state brings its own
    teacher.load_state_dict(state_from_bytes(path.read_bytes()))
    return teacher
