"""Teachers made of teachers: what the mixture, the sequence, the restriction and the bandit have in common."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.space import Kind, TaskSpace
from lifelong_rl.teachers import teacher_entry, teacher_from
from lifelong_rl.teachers.alp_gmm import Gaussians
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher
from lifelong_rl.teachers.density import evenness, reference_points
from lifelong_rl.teachers.states import check_shapes

Entry: TypeAlias = str | Mapping[str, Any] | Teacher
"""A teacher among hyper-parameters: a name, ``{"name": name, hyper-parameter: value}``, or a Teacher object."""

Hearing: TypeAlias = Literal["all", "own"]
"""Whether a child hears every outcome, or those of its own draws (and of tasks that nobody here drew)."""


class ComposedTeacher(Teacher):
    """A teacher that draws from others, its children: named in a hyper-parameter ``teachers``, made by :meth:`reset`.

    Each child has a generator of its own, seeded from this teacher's. It honours the kinds of features that all its
    children honour and needs what any of them needs. A Teacher object among the hyper-parameters is never changed:
    only its hyper-parameters count.
    """

    teachers: Sequence[Entry]
    hear: Hearing = "all"

    _untrained: NDArray[np.bool_] | None = None

    @property
    def entries(self) -> Sequence[Entry]:
        """The children's entries; ValueError where they are no list of at least one."""
        if isinstance(self.teachers, str) or not isinstance(self.teachers, Sequence) or not self.teachers:
            raise ValueError(
                f"teachers of {type(self).__name__} must be a list of at least one teacher, found {self.teachers!r}."
            )
        return self.teachers

    @property
    def kinds(self) -> frozenset[Kind]:  # type: ignore[override]  # the children say it, so not the class
        """The kinds of features that every child honours."""
        return frozenset.intersection(*(teacher_from(entry).kinds for entry in self.entries))

    @property
    def needs(self) -> frozenset[str]:
        """What any child needs of outcomes."""
        if self._space is not None:
            return self._needs  # asked at every episode
        return frozenset().union(*(teacher_from(entry).needs for entry in self.entries))

    @property
    def is_selective(self) -> bool:
        """Whether any child only looks at some tasks."""
        made = self.children.values() if self._space is not None else map(teacher_from, self.entries)
        return any(child.is_selective for child in made)

    @property
    def untrained(self) -> NDArray[np.bool_] | None:
        """Which of the tasks drawn last a child only looks at, shape (n,); None for none."""
        return self._untrained

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and make the children afresh; ValueError for an entry that is no teacher."""
        if self.hear not in ("all", "own"):
            raise ValueError(f"hear of {type(self).__name__} must be 'all' or 'own', found {self.hear!r}.")
        super().reset(space, rng)
        self.children = children_by_label(self.entries)
        """The teachers that this one is made of, by label: the name, with -2, -3 behind where it comes again."""
        for child in self.children.values():
            child.reset(self._child_space(), np.random.default_rng(rng.integers(2**32, size=4)))
        self._needs = frozenset().union(*(child.needs for child in self.children.values()))
        self._n_drawn = [0] * len(self.children)

    def _child_space(self) -> TaskSpace:
        return self.space

    def _sample_from(self, choices: Sequence[int]) -> Floats:
        """Draw one task from the child of each number in ``choices``; shape (n, d)."""
        for number in choices:
            self._n_drawn[number] += 1
        children = list(self.children.values())
        if len(choices) == 1:
            task = children[choices[0]].sample(1)
            self._untrained = children[choices[0]].untrained
            return task
        tasks = np.empty((len(choices), self.space.dimension))
        untrained = np.zeros(len(choices), dtype=bool)
        numbers = np.array(choices, dtype=np.intp)
        for number in sorted(set(choices)):
            rows = np.flatnonzero(numbers == number)
            tasks[rows] = children[number].sample(len(rows))
            if (of_child := children[number].untrained) is not None:
                untrained[rows] = of_child
        self._untrained = untrained if untrained.any() else None
        return tasks

    def _tell(self, tasks: Floats, outcomes: Outcomes, drawn_by: Floats) -> None:
        """Hand episodes to the children that hear them; drawn_by: number of the child, -1 if none, shape (n,)."""
        for number, child in enumerate(self.children.values()):
            if self.hear == "all":
                child.update(tasks, outcomes)
                continue
            rows = np.flatnonzero((drawn_by == number) | (drawn_by < 0.0))
            if len(rows):
                child.update(tasks[rows], outcomes[rows])

    @abstractmethod
    def probabilities(self) -> Floats:
        """Give the probability that the next task comes from each child, shape (number of children,)."""

    def density(self, points: Floats) -> Floats:
        """Give the children's densities, weighted by their probabilities, at points of shape (n, d); shape (n,)."""
        points = self.space.check_points(points)
        total = np.zeros(len(points))
        for share, child in zip(self.probabilities(), self.children.values(), strict=True):
            if share > 0.0:
                total += share * child.density(points)
        return total

    def gaussians(self) -> Gaussians | None:
        """Give the Gaussians of the children that have some, weighted by their probabilities; None if none has."""
        found = []
        for share, child in zip(self.probabilities(), self.children.values(), strict=True):
            own = child.gaussians() if hasattr(child, "gaussians") else None
            if own is not None and share > 0.0:
                found.append(Gaussians(own.means, own.covariances, share * own.weights))
        if not found:
            return None
        parts = zip(*((own.means, own.covariances, own.weights) for own in found), strict=True)
        return Gaussians(*(np.concatenate(arrays) for arrays in parts))

    def diagnostics(self) -> dict[str, float]:
        """Give the entropy of the sampling density (1 is uniform), the share of each child, and theirs.

        <child>_share: of the tasks drawn so far. <child>/<name>: what the child says itself.
        """
        numbers = {}
        densities = self.density(reference_points(self.space))
        if densities.sum() > 0.0:
            numbers["entropy"] = evenness(densities)
        for label, n_drawn, child in zip(self.children, self._n_drawn, self.children.values(), strict=True):
            if any(self._n_drawn):
                numbers[f"{label}_share"] = n_drawn / sum(self._n_drawn)
            numbers |= {f"{label}/{name}": value for name, value in child.diagnostics().items()}
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Give the children's states by label, how often each was drawn from, and the generator."""
        children = {label: child.state_dict() for label, child in self.children.items()}
        return {**super().state_dict(), "children": children, "n_drawn": np.array(self._n_drawn)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        check_shapes(f"the teacher {type(self).__name__!r}", state, n_drawn=(len(self.children),))
        for label, child in self.children.items():
            child.load_state_dict(state["children"][label])
        self._n_drawn = state["n_drawn"].tolist()

    def _identity(self) -> dict[str, Any]:
        # "alp-gmm", {"name": "alp-gmm"} and ALPGMM() are one: the children's states say what their settings are.
        identity = super()._identity()
        settings = {k: v for k, v in identity["hyperparameters"].items() if k not in ("teacher", "teachers")}
        return identity | {"hyperparameters": settings, "labels": list(self.children)}


def children_by_label(entries: Iterable[Entry]) -> dict[str, Teacher]:
    """Make the teachers of these entries, by label: the name, with -2, -3 behind where it comes again."""
    children: dict[str, Teacher] = {}
    for entry in entries:
        child = teacher_from(entry)
        name = label = teacher_entry(child)["name"].rpartition(":")[2]
        again = 1
        while label in children:
            again += 1
            label = f"{name}-{again}"
        children[label] = child
    return children


def choose(shares: Sequence[float], uniform: Floats) -> list[int]:
    """Turn n uniform numbers in [0, 1), shape (n,), into choices with probabilities in proportion to k shares."""
    cumulative = list(accumulate(shares))
    last = max(number for number, share in enumerate(shares) if share > 0.0)  # rounding may reach beyond it
    return [min(bisect_right(cumulative, number * cumulative[-1]), last) for number in uniform.tolist()]
