"""CW10 and CW20 are the published sequences, and can be read, listed and shortened without Meta-World."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from lifelong_rl.cli import parse
from lifelong_rl.envs import family
from lifelong_rl.scenarios import Scenario, condensed, cycles, to_toml

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "examples" / "scenarios"
PAGE = (ROOT / "docs" / "environments" / "continual-world.md").read_text()

# Wołczyk et al. 2021, section 4 and figure 1
PUBLISHED = [
    "hammer",
    "push-wall",
    "faucet-close",
    "push-back",
    "stick-pull",
    "handle-press-side",
    "push",
    "shelf-place",
    "window-close",
    "peg-unplug-side",
]


def scenario(name):
    return Scenario.from_toml(FILES / f"{name}.toml")


def train(*words):
    return parse(["train", "--agent", "sac", *words]).config().scenario


@pytest.mark.parametrize(("name", "rounds"), [("cw10", 1), ("cw20", 2)])
def test_the_files_are_the_published_order_and_lengths(name, rounds):
    read = scenario(name)
    assert [block.task.params for block in read.blocks] == [{"task": t, "spread": 1.0} for t in PUBLISHED * rounds]
    assert {block.steps for block in read.blocks} == {1_000_000}
    assert {block.visibility for block in read.blocks} == {"task_id"} and read.observe_task == "one-hot"
    assert [task.name for task in read.evaluation_tasks] == PUBLISHED
    assert read.env_options == {}  # 200 steps an episode, success at any step


def test_the_files_are_what_the_kinds_give_of_the_standard_tasks():
    made = condensed("continual-world", n_tasks=10, steps=10_000_000)
    assert replace(made, name="cw10") == scenario("cw10")
    made = cycles("continual-world", n_tasks=10, cycles=2, steps=20_000_000)
    assert replace(made, name="cw20") == scenario("cw20")
    assert Scenario.from_json(scenario("cw20").to_json()) == scenario("cw20")


def test_a_shorter_budget_is_a_flag():
    path = str(FILES / "cw20.toml")
    assert train("--scenario", path) == scenario("cw20")
    short = train("--scenario", path, "--steps", "200_000")
    assert [block.steps for block in short.blocks] == [10_000] * 20
    assert [block.task for block in short.blocks] == [block.task for block in scenario("cw20").blocks]
    assert short.evaluation_tasks == scenario("cw20").evaluation_tasks


def test_a_budget_that_the_blocks_cannot_share_is_refused():
    with pytest.raises(ValueError, match="scenario 'cw10' can share a multiple of 10 steps, found 15"):
        train("--scenario", str(FILES / "cw10.toml"), "--steps", "15")
    with pytest.raises(ValueError, match="multiple of 10 steps, found 0"):
        scenario("cw10").with_steps(0)


def test_blocks_of_different_lengths_keep_their_shares(tmp_path):
    (tmp_path / "uneven.toml").write_text(
        to_toml(scenario("cw10")).replace("1000000", "3000000", 1).replace("1_000_000", "3_000_000", 1)
    )
    uneven = Scenario.from_toml(tmp_path / "uneven.toml")
    assert uneven.steps == 12_000_000
    assert [block.steps for block in uneven.with_steps(120).blocks] == [30] + 9 * [10]
    with pytest.raises(ValueError, match="multiple of 12 steps"):
        uneven.with_steps(100)


def test_the_standard_tasks_are_cw10_in_order_and_then_meta_world_s_others():
    assert [task.id for task in family("continual-world").standard_tasks(10)] == PUBLISHED
    assert len({task.id for task in family("continual-world").standard_tasks(12)}) == 12
    fifty = [task.id for task in family("meta-world").standard_tasks(50)]
    assert fifty[:10] == PUBLISHED and fifty[10:] == sorted(fifty[10:]) and len(set(fifty)) == 50


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL))
def test_the_files_of_the_page_are_scenarios(text, tmp_path):
    (tmp_path / "page.toml").write_text(text)
    assert Scenario.from_toml(tmp_path / "page.toml").family == "continual-world"


def test_the_triplets_of_the_page_are_eight_of_the_published_tasks():
    rows = re.findall(r"^\| (\d) \| `(\S+)` \| `(\S+)` \| `(\S+)` \|$", PAGE, flags=re.MULTILINE)
    assert [number for number, *_ in rows] == list("12345678")
    assert {task for _, *tasks in rows for task in tasks} <= set(PUBLISHED)
