"""Says where the packages lie; all metadata is in pyproject.toml."""

from setuptools import find_packages, setup

MAPPED_ROOMS = ("envs", "teachers", "agents")  # top-level folders that install as lifelong_rl.<room>

setup(
    package_dir={"lifelong_rl": "lifelong_rl"} | {f"lifelong_rl.{room}": room for room in MAPPED_ROOMS},
    packages=find_packages(include=["lifelong_rl", "lifelong_rl.*"])
    + [f"lifelong_rl.{package}" for room in MAPPED_ROOMS for package in find_packages(include=[room, f"{room}.*"])],
)
