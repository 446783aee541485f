"""Components: one lifelong-learning mechanism each, hung on an agent's bus."""

COMPONENTS = {
    "reservoir-replay": "lifelong_rl.agents.components.replay:ReservoirReplay",
    "distillation": "lifelong_rl.agents.components.distillation:Distillation",
}
"""The built-in components by name."""

__all__ = ["COMPONENTS"]
