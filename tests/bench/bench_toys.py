"""Teachers for the benchmark's tests; in a module of their own, so that processes can import them."""

import numpy as np

from lifelong_rl.teachers import Teacher


class Perfect(Teacher):
    """Knows the rules of the grid: brings each of its cells to 76, from the origin on."""

    def __init__(self, n_cells=10):
        self.n_cells = n_cells

    def reset(self, space, rng):
        super().reset(space, rng)
        self._n_drawn = 0

    def sample(self, n=1):
        cells = np.minimum((self._n_drawn + np.arange(n)) // 76, self.n_cells**2 - 1)
        self._n_drawn += n
        points = np.full((n, self.space.dimension), 0.5)
        points[:, 0], points[:, 1] = cells // self.n_cells, cells % self.n_cells
        points[:, :2] = (points[:, :2] + 0.5) / self.n_cells
        return points

    def update(self, tasks, outcomes):
        self.checked(tasks, outcomes)

    def state_dict(self):
        return {**super().state_dict(), "n_drawn": self._n_drawn, "ballast": np.zeros(1000)}


class Listening(Perfect):
    """Remembers, in the class, all that it heard."""

    needs = frozenset({"value", "positive_value_loss"})
    heard: list = []  # noqa: RUF012

    def update(self, tasks, outcomes):
        self.checked(tasks, outcomes)
        self.heard.append((outcomes.scores[0], outcomes.successes[0], {k: v[0] for k, v in outcomes.extra.items()}))


class OnlyLooking(Perfect):
    """Trains on every second task only."""

    is_selective = True

    @property
    def untrained(self):
        return np.array([self._n_drawn % 2 == 0])


class Slow(Perfect):
    """Takes 10 ms of CPU time every hundredth update."""

    def update(self, tasks, outcomes):
        import time

        if self._n_drawn % 100 == 0:
            end = time.process_time() + 0.01
            while time.process_time() < end:
                pass


class Failing(Perfect):
    """Fails."""

    def update(self, tasks, outcomes):
        raise ValueError("this teacher always fails")


class NoIntegers(Perfect):
    """Refuses every space of reals."""

    kinds = frozenset({"integer"})
