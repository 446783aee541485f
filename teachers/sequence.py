"""The sequence: one teacher after the other, each until a condition holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lifelong_rl.envs.lookup import unknown_name
from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes
from lifelong_rl.teachers.composed import ComposedTeacher, Entry, Hearing
from lifelong_rl.teachers.open_draws import OpenDraws
from lifelong_rl.teachers.progress import ProgressHistory
from lifelong_rl.teachers.states import check_shapes

CONDITIONS = ("episodes", "score", "success", "progress")
WINDOW = 50


class TeacherSequence(ComposedTeacher):
    """Draws from one teacher after the other: a stage ends when its condition holds, and the last one never does.

    A stage counts the episodes of the tasks that it drew itself (of tasks that nobody here drew, too): after a change
    the episodes that were still running say nothing about the new stage. Learning progress is as in
    :class:`ProgressHistory`. It keeps what its teachers keep, the last ``window`` outcomes, up to 10,000 tasks whose
    episodes have not ended, and for a condition on progress up to 4,000 episodes.
    """

    def __init__(
        self,
        teachers: Sequence[Entry] = ("random", "alp-kde"),
        until: Sequence[Mapping[str, Any]] = ({"episodes": 250},),
        hear: Hearing = "all",
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        teachers: each a name, ``{"name": name, hyper-parameter: value}``, or a teacher. until: a condition for each
        but the last, with one or more of ``episodes`` (n: after n episodes), ``score`` (x: the mean score of the last
        ``window`` episodes is at least x), ``success`` (x: their success rate is), ``progress`` (x: their mean
        absolute progress is below x); the first that holds ends the stage. ``window`` is 50 unless given. hear:
        whether all teachers hear of every episode ("all": a later one begins with what the earlier ones saw), or each
        of its own tasks and those that nobody here drew ("own").
        """
        self.teachers = teachers
        self.until = until
        self.hear = hear

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start with the first stage; ValueError names a condition that does not read."""
        super().reset(space, rng)
        self._check_until()
        needs_progress = any("progress" in condition for condition in self.until)
        self._history = ProgressHistory(space, keep=2000) if needs_progress else None
        self._open = OpenDraws(space, 1)
        self._begin(0)

    def _check_until(self) -> None:
        n = len(self.children) - 1
        if isinstance(self.until, str | Mapping) or not isinstance(self.until, Sequence) or len(self.until) != n:
            raise ValueError(
                f"until of TeacherSequence must be a list of {n} conditions, one for each teacher but the last, "
                f"found {self.until!r}."
            )
        for condition in self.until:
            _check_condition(condition)

    def _begin(self, stage: int) -> None:
        self._stage = stage
        self._n_episodes = 0  # of this stage
        self._recent = np.zeros((self._window, 3))  # score, success, absolute progress; a ring

    @property
    def _window(self) -> int:
        is_last = self._stage == len(self.until)
        return 1 if is_last else int(self.until[self._stage].get("window", WINDOW))

    @property
    def stage(self) -> int:
        """The number of the present stage, from 0."""
        return self._stage

    def probabilities(self) -> Floats:
        """Give 1 for the teacher of the present stage and 0 for the others, shape (number of teachers,)."""
        probabilities = np.zeros(len(self.children))
        probabilities[self._stage] = 1.0
        return probabilities

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks of the present stage, shape (n, d) in [0, 1]."""
        tasks = self._sample_from([self._stage] * n)
        self._open.add(tasks, [(float(self._stage),)] * n)
        return tasks

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Hand n finished episodes, tasks of shape (n, d), to the teachers that hear them, and end stages."""
        tasks = self.checked(tasks, outcomes)
        drawn_by = [note[0] if note else -1.0 for note in self._open.take(tasks)]
        progress = np.zeros(len(tasks))
        if self._history is not None:
            for i in range(len(tasks)):  # one by one: a batch may be longer than what the history keeps
                self._history.append(tasks[i : i + 1], outcomes.scores[i : i + 1])
                progress[i] = abs(self._history.recent_progress(1)[0])
        for i, row in enumerate(zip(outcomes.scores, outcomes.successes, progress, strict=True)):
            if drawn_by[i] < 0.0:
                drawn_by[i] = self._stage
            if drawn_by[i] == self._stage:
                self._note(row)
        self._tell(tasks, outcomes, np.array(drawn_by))

    def _note(self, row: tuple[float, ...]) -> None:
        self._recent[self._n_episodes % len(self._recent)] = row
        self._n_episodes += 1
        if self._stage < len(self.until) and self._is_over(self.until[self._stage]):
            self._begin(self._stage + 1)

    def _is_over(self, condition: Mapping[str, Any]) -> bool:
        if self._n_episodes >= condition.get("episodes", np.inf):
            return True
        if self._n_episodes < len(self._recent):
            return False
        score, success, progress = self._recent.mean(axis=0)
        return bool(
            score >= condition.get("score", np.inf)
            or success >= condition.get("success", np.inf)
            or progress < condition.get("progress", -np.inf)
        )

    def diagnostics(self) -> dict[str, float]:
        """Give the stage (from 0) beside what the teachers say."""
        return {"stage": float(self._stage), **super().diagnostics()}

    def state_dict(self) -> dict[str, Any]:
        """Give the stage and what it saw, the teachers' states, the open draws and the generator."""
        return {
            **super().state_dict(),
            "stage": self._stage,
            "n_episodes": self._n_episodes,
            "recent": self._recent.copy(),
            "open": self._open.state_dict(),
            "history": self._history.state_dict() if self._history is not None else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        self._open.load_state_dict(state["open"])
        if self._history is not None:
            self._history.load_state_dict(state["history"])
        if not 0 <= state["stage"] <= len(self.until):
            raise ValueError(f"the stage lies in 0 to {len(self.until)}, found {state['stage']!r}.")
        self._begin(state["stage"])
        self._n_episodes = state["n_episodes"]
        check_shapes("the teacher 'TeacherSequence'", state, recent=self._recent.shape)
        self._recent = state["recent"].copy()


def _check_condition(condition: Any) -> None:
    if not isinstance(condition, Mapping) or not any(name in condition for name in CONDITIONS):
        raise ValueError(
            f"a condition of until names at least one of {', '.join(CONDITIONS)}, as "
            f'{{"score": 0.8, "window": 50}}; found {condition!r}.'
        )
    for name, value in condition.items():
        if name not in (*CONDITIONS, "window"):
            raise unknown_name("condition of until", name, (*CONDITIONS, "window"))
        is_count = name in ("episodes", "window")
        if isinstance(value, bool) or not isinstance(value, int if is_count else int | float):
            raise ValueError(f"{name} of until must be {'a whole' if is_count else 'a'} number, found {value!r}.")
        if (is_count and value < 1) or (not is_count and not 0.0 <= value <= 1.0):
            raise ValueError(
                f"{name} of until must {'be at least 1' if is_count else 'lie in [0, 1]'}, found {value!r}."
            )
