"""Scenarios: fixed streams of tasks and curricula, as data."""

from lifelong_rl.scenarios.block import Block, Distribution, Drift, Visibility
from lifelong_rl.scenarios.blurry import blurry
from lifelong_rl.scenarios.diagnostics import composability, distraction, forgetting, transfer
from lifelong_rl.scenarios.drifting import drift
from lifelong_rl.scenarios.hierarchy import hierarchical
from lifelong_rl.scenarios.kinds import SCENARIOS, make_scenario, scenario_options
from lifelong_rl.scenarios.recurrence import power_law, recurring
from lifelong_rl.scenarios.scenario import EvaluationVisibility, Scenario
from lifelong_rl.scenarios.sequences import (
    alternating,
    condensed,
    curriculum,
    cycles,
    dispersed,
    pairs,
    permuted,
    single,
)
from lifelong_rl.scenarios.stream import StreamOptions
from lifelong_rl.scenarios.writing import to_toml

__all__ = [
    "SCENARIOS",
    "Block",
    "Distribution",
    "Drift",
    "EvaluationVisibility",
    "Scenario",
    "StreamOptions",
    "Visibility",
    "alternating",
    "blurry",
    "composability",
    "condensed",
    "curriculum",
    "cycles",
    "dispersed",
    "distraction",
    "drift",
    "forgetting",
    "hierarchical",
    "make_scenario",
    "pairs",
    "permuted",
    "power_law",
    "recurring",
    "scenario_options",
    "single",
    "to_toml",
    "transfer",
]
