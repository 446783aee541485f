"""Teachers with mistakes, as users make them; in a module of their own, so that processes can import them."""

import numpy as np

from lifelong_rl.teachers import Teacher


class Plain(Teacher):
    """Draws anywhere."""

    def sample(self, n=1):
        return self.rng.random((n, self.space.dimension))

    def update(self, tasks, outcomes):
        self.checked(tasks, outcomes)


class Perfect(Plain):
    """Has the name of another one, in bench_toys."""


class Flat(Plain):
    def sample(self, n=1):
        return self.rng.random(self.space.dimension)


class NotANumber(Plain):
    def sample(self, n=1):
        return np.full((n, self.space.dimension), np.nan)


class Outside(Plain):
    def sample(self, n=1):
        return 2.0 + super().sample(n)


class Lists(Plain):
    def sample(self, n=1):
        return super().sample(n).tolist()


class Nothing(Plain):
    def sample(self, n=1):
        return None


class Unbound(Plain):
    def reset(self, space, rng):
        self.x = 1


class ResetRaises(Plain):
    def reset(self, space, rng):
        super().reset(space, rng)
        self.x = self.never_set


class KeyErrors(Plain):
    def update(self, tasks, outcomes):
        return {}["boom"]


class ValueErrors(Plain):
    def update(self, tasks, outcomes):
        raise ValueError("boom")


class Exits(Plain):
    def update(self, tasks, outcomes):
        raise SystemExit(3)


class Sets(Plain):
    def state_dict(self):
        return {**super().state_dict(), "seen": {1, 2}}
