"""A family and a kind of scenario as a user would write them: importable by name."""

from __future__ import annotations

from lifelong_rl.envs import Feature, TaskSpace
from lifelong_rl.envs.point_goal import PointGoal
from lifelong_rl.scenarios import condensed


class Coins(PointGoal):
    """A family of two tasks."""

    task_space = TaskSpace("coins", [Feature.category("side", ("heads", "tails"), "heads")])


def there_and_back(family, *, steps=100, n_returns=1, **options):
    """Give two standard tasks, and the first again."""
    first, second = PointGoal.standard_tasks(2)
    return condensed(family, tasks=[first, second] * n_returns + [first], steps=steps, **options)
