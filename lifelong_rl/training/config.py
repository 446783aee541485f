"""What a run is made of: everything needed to run it again."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from lifelong_rl.agents import COMPONENTS, agent_entry, agent_label, make_component
from lifelong_rl.envs.lookup import hyperparameters, import_path, unknown_name
from lifelong_rl.scenarios import Block, Scenario

CONFIG_VERSION = 1

MOST_EVALUATIONS = 200
"""Evaluations inside the blocks of a run that does not say how often; where there are more blocks, one for each."""


@dataclass(frozen=True)
class AgentConfig:
    """An agent by name, with the arguments of its constructor and its components."""

    name: str = "dqn"
    """Name or ``module:Class`` of the agent."""
    policy: str = "MlpPolicy"
    """Stable-Baselines3's name of the policy."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the agent's constructor, by name."""
    components: Sequence[Any] = ()
    """Each a name or ``module:Class``, such a name with hyper-parameters, or a component object (whose
    hyper-parameters count). Held as a tuple of names with hyper-parameters."""

    def __post_init__(self) -> None:
        agent_entry(self.name)  # refuses an unknown name
        if isinstance(self.components, str) or not isinstance(self.components, Sequence):
            raise ValueError(f"components is a list of components, found {self.components!r}.")
        if not isinstance(self.options, Mapping):
            raise ValueError(f"options are the agent's constructor arguments by name, found {self.options!r}.")
        components = tuple(_named_component(component) for component in self.components)
        object.__setattr__(self, "components", components)
        for name in {name for name, _ in components}:
            if sum(other == name for other, _ in components) > 1:
                raise ValueError(f"the component {name!r} is named twice; an agent has at most one of each.")
        for name, value in self.options.items():
            try:
                json.dumps(value)
            except TypeError as error:
                raise ValueError(
                    f"the option {name!r} of the agent {self.name!r} must be plain values, so that a run can be "
                    f"repeated from its folder, found {value!r} ({error}); derive an agent class that sets it."
                ) from error

    @property
    def label(self) -> str:
        """What tables and folders call the agent: its name and its components'."""
        return agent_label(self.name, [name for name, _ in self.components])

    def to_json(self) -> dict[str, Any]:
        """Give the configuration as JSON values, every hyper-parameter of the components written out."""
        components = [[name, _component_options(name, options)] for name, options in self.components]
        return {"name": self.name, "policy": self.policy, "options": dict(self.options), "components": components}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AgentConfig:
        """Give the configuration that :meth:`to_json` gave."""
        return cls(
            data["name"],
            data["policy"],
            data["options"],
            data["components"],
        )


@dataclass(frozen=True)
class RunConfig:
    """One run: a scenario, an agent, a seed, and how often to look. All frequencies are in environment steps."""

    scenario: Scenario
    agent: AgentConfig = AgentConfig()
    seed: int = 0
    """Every random draw of the run follows from it."""
    n_envs: int = 1
    """Parallel training environments."""
    parallel: bool = False
    """Whether each environment runs in a process of its own."""
    eval_every: int | None = None
    """Steps between evaluations, counted from each block's start. One before training and one at the end of each
    block are always there. None for a tenth of the block, or for more where there are more than twenty
    blocks."""
    eval_episodes: int = 5
    """Episodes of each task in an evaluation."""
    eval_seed: int = 0
    """Seed of the evaluation episodes: the same for all runs that are compared."""
    checkpoint_every: int = 10_000
    """Steps between checkpoints; one is also made at the end of each block. Does not influence training."""
    log_every: int = 500
    """Steps between points of TensorBoard's training curves. Does not influence training."""

    def __post_init__(self) -> None:
        for name, kind in (("scenario", Scenario), ("agent", AgentConfig)):
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"{name} must be a {kind.__name__}, found {getattr(self, name)!r}.")
        for name in ("n_envs", "eval_every", "eval_episodes", "checkpoint_every", "log_every", "seed", "eval_seed"):
            self._check_number(name)
        for i, block in enumerate(self.scenario.blocks):
            if block.steps % self.n_envs:
                raise ValueError(
                    f"the steps of block {i} must be a multiple of n_envs={self.n_envs}, found {block.steps}."
                )
        self._check_requirements()

    def _check_number(self, name: str) -> None:
        number = getattr(self, name)
        if name == "eval_every" and number is None:
            return
        low = 0 if name.endswith("seed") else 1
        if not isinstance(number, int) or isinstance(number, bool) or not low <= number < 2**32:
            raise ValueError(f"{name} must be at least {low}, a whole number below 2**32, found {number!r}.")

    def _check_requirements(self) -> None:
        visibilities = {block.visibility for block in self.scenario.blocks}
        has_ids = visibilities == {"task_id"} and all(block.task for block in self.scenario.blocks)
        missing = ({"boundary"} if "none" in visibilities else set()) | (set() if has_ids else {"task_id"})
        for name, options in self.agent.components:
            lacking = sorted(configured_component(name, options).requires & missing)
            if lacking:
                raise ValueError(
                    f"the component {name!r} requires {', '.join(lacking)}, and the scenario "
                    f"{self.scenario.name!r} hides it in at least one block; choose a scenario that shows it, "
                    "or leave the component out."
                )

    def eval_interval(self, block: Block) -> int:
        """Give the environment steps between evaluations in a block."""
        n_evaluations = min(10, max(MOST_EVALUATIONS // len(self.scenario.blocks), 1))
        return self.eval_every or max(block.steps // n_evaluations, 1)

    @property
    def label(self) -> str:
        """The name of the run's folder: agent, teacher or scenario, seed."""
        teachers = [block.teacher.rpartition(":")[2] for block in self.scenario.blocks if block.teacher]
        source = teachers[0] if teachers else self.scenario.name
        return f"{self.agent.label}-{source}-s{self.seed}"

    def to_json(self) -> dict[str, Any]:
        """Give the configuration as JSON values."""
        plain = {name: getattr(self, name) for name in _PLAIN_FIELDS}
        return plain | {
            "version": CONFIG_VERSION,
            "scenario": self.scenario.to_json(),
            "agent": self.agent.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunConfig:
        """Give the configuration that :meth:`to_json` gave; ValueError where it is of another version."""
        if data.get("version") != CONFIG_VERSION:
            raise ValueError(
                f"the run's configuration has version {data.get('version')!r}, this lifelong_rl reads "
                f"{CONFIG_VERSION}; use the version of lifelong_rl that wrote it."
            )
        try:
            return cls(
                Scenario.from_json(data["scenario"]),
                AgentConfig.from_json(data["agent"]),
                **{name: data[name] for name in _PLAIN_FIELDS},
            )
        except KeyError as error:
            raise ValueError(f"the run's configuration lacks {error}; is config.json damaged?") from None
        except (TypeError, AttributeError) as error:
            raise ValueError(f"the run's configuration is damaged: {error}.") from error

    def reference(self, block_index: int) -> RunConfig:
        """Give the reference run of a block: its task alone, the same agent without components, budget and seed."""
        block = self.scenario.blocks[block_index]
        if block.task is None:
            raise ValueError(f"block {block_index} has no fixed task, so no reference run.")
        known = self.scenario.known_tasks or self.scenario.all_tasks
        scenario = replace(
            self.scenario,
            name="reference",
            blocks=(block,),
            evaluation_tasks=(block.task,),
            known_tasks=known if self.scenario.observe_task == "one-hot" else (),
        )
        reference = replace(self, scenario=scenario, agent=replace(self.agent, components=()))
        if reference.eval_interval(block) == self.eval_interval(block):
            return reference
        return replace(reference, eval_every=self.eval_interval(block))  # at the same moments as in this run

    @property
    def key(self) -> str:
        """A hash of all that decides the run's results: 16 hexadecimal digits."""
        data = {k: v for k, v in self.to_json().items() if k not in ("checkpoint_every", "log_every", "parallel")}
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def _named_component(component: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(component, str):
        return component, {}
    if isinstance(component, Sequence) and len(component) == 2 and isinstance(component[1], Mapping):
        return component[0], component[1]
    if not hasattr(component, "claims") or isinstance(component, type):
        raise ValueError(
            "a component is given as a name, as a name with hyper-parameters, or as a component object, "
            f"found {component!r}."
        )
    path = import_path(type(component))
    names = [name for name, built_in in COMPONENTS.items() if built_in == path]
    return (names[0] if names else path), hyperparameters(component)


def configured_component(name: str, options: Mapping[str, Any]) -> Any:
    """Make a component by its name or ``module:Class``; ValueError where it cannot be made with these options."""
    try:
        return make_component(name, options)
    except TypeError as error:
        raise ValueError(f"the component {name!r} cannot be made with {dict(options)}: {error}.") from error


def _component_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = hyperparameters(configured_component(name, options))
        json.dumps(found)
    except TypeError as error:
        raise ValueError(f"the component {name!r} cannot be saved: {error}") from error
    return found


_PLAIN_FIELDS = (
    "seed",
    "n_envs",
    "parallel",
    "eval_every",
    "eval_episodes",
    "eval_seed",
    "checkpoint_every",
    "log_every",
)


def with_component_options(names: str, options: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, Any], ...]:
    """Give components from "a,b" and their hyper-parameters by component; ValueError for options of another."""
    listed = [name.strip() for name in names.split(",") if name.strip()]
    for name in listed:
        if listed.count(name) > 1:
            raise ValueError(f"the component {name!r} is named twice; a component works once on an agent.")
    for name, chosen in options.items():
        if name not in listed:
            raise unknown_name("component of this agent", name, listed)
        if not isinstance(chosen, Mapping):
            raise ValueError(f"an option of a component is given as {name}.option=value, found {name}={chosen!r}.")
    return tuple((name, options.get(name, {})) for name in listed)


def provenance() -> dict[str, Any]:
    """Give the versions and the git commit of what runs here; the commit is None outside a checkout."""
    packages = ("lifelong-rl", "gymnasium", "stable-baselines3", "torch", "numpy", "scipy", "scikit-learn")
    root = Path(__file__).parent
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip() or None
    except (OSError, subprocess.TimeoutExpired):
        commit = None
    return {
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
        "commit": commit,
    }
