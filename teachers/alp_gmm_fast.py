"""Fast ALP-GMM: the same teacher at a tenth of the cost, with its fits spread over the episodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.alp_gmm import ALPGMM
from lifelong_rl.teachers.base import Floats, Outcomes, check_ranges, stretches
from lifelong_rl.teachers.gaussian_em import MixtureRace, no_race
from lifelong_rl.teachers.gaussians import Criterion, numbers_to_try, thread_controller

MEASURE_EVERY = 50
"""Episodes between measurements of progress: some at once cost less, too many would stall."""


class FastALPGMM(ALPGMM):
    """ALP-GMM whose mixtures cost little and never stall: at most ``steps_per_episode`` steps of EM an episode.

    It differs from :class:`ALPGMM` in how a mixture is found. At the first fit, and at every ``afresh_every``-th
    after it, all numbers of Gaussians are fitted side by side from k-means++ seeds. Each other fit starts from the
    mixture in use, and tries one Gaussian less and one more beside it. A fit takes at most ``max_steps`` steps,
    spread over the episodes after it began; until it is done tasks come from the mixture before. What is fitted to
    what, and when, depends on the count of episodes alone. It keeps fewer than twice ``max_history`` episodes, one
    window, and 54 Gaussians at the most by default.
    """

    def __init__(
        self,
        fit_every: int = 250,
        window: int | None = None,
        min_gaussians: int = 2,
        max_gaussians: int = 10,
        random_fraction: float = 0.2,
        criterion: Criterion = "aic",
        max_history: int | None = 5_000,
        max_steps: int = 12,
        steps_per_episode: int = 4,
        afresh_every: int = 2,
    ) -> None:
        """Store the hyper-parameters, those of :class:`ALPGMM` and three; :meth:`reset` checks them.

        max_steps: of EM in a fit; it ends earlier where it has converged. steps_per_episode: made at most at each
        update of one episode; ``fit_every`` episodes must be enough for ``max_steps``. afresh_every: 1 begins every
        fit afresh; a larger one costs less, and none for long keeps to a mixture that new episodes have outgrown.
        """
        super().__init__(fit_every, window, min_gaussians, max_gaussians, random_fraction, criterion, max_history)
        self.max_steps = max_steps
        self.steps_per_episode = steps_per_episode
        self.afresh_every = afresh_every

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        n_possible = self.fit_every * max(self.steps_per_episode, 1)
        rules = [
            ("steps_per_episode", self.steps_per_episode >= 1, "at least 1"),
            ("afresh_every", self.afresh_every >= 1, "at least 1"),
            ("max_steps", 1 <= self.max_steps <= n_possible, f"in 1 to fit_every * steps_per_episode ({n_possible})"),
        ]
        check_ranges(self, rules)

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        super().reset(space, rng)
        thread_controller("numpy")  # the first look-up takes long: not in an update
        self._race = no_race(space.dimension + 1)
        self._is_fitting = False

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Store n finished episodes, tasks of shape (n, d), and go on with the fit under way."""
        tasks = self.checked(tasks, outcomes)
        for part in stretches(len(tasks), self._n_episodes, self.fit_every):
            self._go_on(part.stop - part.start)
            self._store(tasks[part], outcomes.scores[part])
            if self._n_episodes % MEASURE_EVERY == 0:
                self._history.recent_progress(0)  # in small parts: no call has to measure a whole window

    def _go_on(self, n_episodes: int) -> None:
        """Make the EM steps that are due in these episodes."""
        n_due = n_episodes * self.steps_per_episode
        while self._is_fitting and n_due:
            self._race.step()
            n_due -= 1
            if self._race.has_converged or self._race.n_steps == self.max_steps:
                self._is_fitting = False
                self._take_mixture(*self._race.best(self.criterion))

    def _fit(self) -> None:
        points = self._fit_points()
        numbers = numbers_to_try(points, self.min_gaussians, self.max_gaussians)
        is_afresh = (self._n_episodes // self.fit_every - 1) % self.afresh_every == 0
        if self._race.n_steps and not is_afresh:
            self._race = self._race.successor(points, numbers[0], numbers[-1], self.criterion)
        else:
            self._race = MixtureRace.afresh(points, numbers, self.rng.random(numbers[-1]))
        self._is_fitting = True

    def state_dict(self) -> dict[str, Any]:
        """Give what :meth:`ALPGMM.state_dict` gives, and the fit under way or the last one."""
        return {**super().state_dict(), "race": self._race.state_dict(), "is_fitting": self._is_fitting}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        self._race = MixtureRace.from_state(state["race"])
        self._is_fitting = state["is_fitting"]
