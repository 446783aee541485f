"""Problems with known answers that planners are tested on."""

import torch

from lifelong_rl.agents.hypernet.planners import make_planner

LOW, HIGH = torch.tensor([-2.0, 0.0]), torch.tensor([2.0, 6.0])
TARGET = torch.tensor([0.5, 4.0])

CONTINUOUS = ("cem", "mppi", "pddm", "random-shooting")
KINDS = (*CONTINUOUS, "categorical-cem")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def bowl(actions):
    """Highest, 0, where every step's action is the target, measured in half-ranges."""
    return -(((actions - TARGET) / ((HIGH - LOW) / 2)) ** 2).sum(dim=(2, 3))


def bounds(name):
    return (torch.zeros(2), torch.ones(2)) if name == "categorical-cem" else (LOW, HIGH)


def plan(planner, evaluate=bowl, n_envs=1, seed=0, low=LOW, high=HIGH, plans=None):
    plans = planner.fresh(n_envs, low, high) if plans is None else plans
    return planner.plan(evaluate, plans, low, high, generator(seed))


def small(name, **options):
    return make_planner(name, {"horizon": 4, "n_candidates": 60, "n_iterations": 3} | options)
