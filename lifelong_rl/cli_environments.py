"""The commands on environment families."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from lifelong_rl.cli_options import Options, parse_options


@dataclass(frozen=True)
class CheckEnv:
    """Check that an environment family keeps the rules of the protocol, as the tests do with every built-in one.

    Prints a line a rule: ok, what breaks it, or why it cannot be checked here. Exit status: 0 if none is broken, 1 if
    one is, 2 if there is no such family. Pictures of families on MuJoCo need MUJOCO_GL=egl or osmesa.
    """

    family: Annotated[str, tyro.conf.Positional]
    """The family: module:Class, or a name (see `lifelong-rl list envs`)."""
    option: Options = ()
    """Arguments of the family's constructor, as key=value."""
    seed: int = 0
    """Every random draw of the check follows from it."""

    def run(self) -> int:
        """Check, print, and give the exit status."""
        from lifelong_rl.envs.check import TaskEnvError, check_env_rules

        if self.seed < 0:
            raise ValueError(f"the seed must be at least 0, found {self.seed}.")
        n_broken = 0
        for rule, finding in check_env_rules(self.family, seed=self.seed, **parse_options(self.option)):
            is_broken = isinstance(finding, TaskEnvError)
            n_broken += is_broken
            mark = "ok     " if finding is None else "BROKEN " if is_broken else "skipped"
            reason = "" if finding is None else f"\n        {finding}"
            print(f"{mark} {rule.replace('``', '')}{reason}", flush=True)
        if n_broken:
            print(f"{self.family} breaks {n_broken} {'rule' if n_broken == 1 else 'rules'}.")
            return 1
        print(f"{self.family} keeps all rules that were checked.")
        return 0
