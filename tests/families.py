"""The built-in families that the development environment can make."""

from lifelong_rl.envs import FAMILIES

IN_AN_ENVIRONMENT_OF_THEIR_OWN = ("continual-world", "meta-world")
"""Meta-World pins a MuJoCo that the other families outgrew: `make test-metaworld` runs tests/metaworld."""

MADE_HERE = [name for name in FAMILIES if name not in IN_AN_ENVIRONMENT_OF_THEIR_OWN]
