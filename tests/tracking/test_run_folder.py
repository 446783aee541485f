"""The run folder: checkpoints are whole or passed over, logs are cut and never guessed."""

import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from lifelong_rl.scenarios import condensed
from lifelong_rl.tracking.run_folder import RunFolder, find_runs
from lifelong_rl.training.config import AgentConfig, RunConfig
from lifelong_rl.training.trainer import resume, train

LOGS = ("episodes.jsonl", "evaluations.jsonl", "metrics.json")


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path / "run", {"version": 1})


def save(folder, step, text="weights"):
    def write(place: Path) -> None:
        (place / "agent.zip").write_text(text)
        (place / "run.npz").write_text("state")

    return folder.save_checkpoint(step, write)


# Creating and opening


def test_a_folder_with_something_in_it_is_refused_with_the_command_that_resumes(tmp_path):
    path = tmp_path / "a run"
    RunFolder.create(path, {})
    with pytest.raises(ValueError, match=r"exists and is not empty; continue it with 'lifelong-rl resume '.*a run''"):
        RunFolder.create(path, {})


def test_an_empty_folder_and_one_that_a_kill_left_without_configuration_are_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    RunFolder.create(tmp_path / "empty", {})
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / ".config.json.writing").write_text('{"ver')
    assert RunFolder.create(tmp_path / "killed", {"version": 1}).config == {"version": 1}
    assert [p.name for p in (tmp_path / "killed").iterdir()] == ["config.json"]


def test_a_configuration_that_json_cannot_hold_leaves_no_folder(tmp_path):
    with pytest.raises(TypeError):
        RunFolder.create(tmp_path / "run", {"loss": print})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b'{"version": 1', b"[1, 2]", b"null", b"\xff\xfe\x00", b""])
def test_a_damaged_configuration_is_one_clear_error(content, folder):
    (folder.path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        _ = RunFolder.open(folder.path).config


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"is not a run folder: it has no config\.json"):
        RunFolder.open(tmp_path)


# Checkpoints


def test_a_checkpoint_is_renamed_into_place_only_when_it_is_whole(folder):
    seen = []

    def write(place: Path) -> None:
        (place / "agent.zip").write_text("weights")
        seen.append((place.name.startswith("."), folder.latest_checkpoint()))

    path = folder.save_checkpoint(10, write)
    assert seen == [(True, None)]
    assert folder.latest_checkpoint() == path == folder.path / "checkpoints" / f"{10:012d}"
    assert set(json.loads((path / "manifest.json").read_text())["sha256"]) == {"agent.zip"}


def test_a_checkpoint_that_fails_half_way_leaves_the_one_before(folder):
    before = save(folder, 10)

    def fail(place: Path) -> None:
        (place / "agent.zip").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        folder.save_checkpoint(20, fail)
    assert folder.latest_checkpoint() == before
    after = save(folder, 20)  # what was left over is no hindrance
    assert folder.latest_checkpoint() == after
    assert sorted(p.name for p in (folder.path / "checkpoints").iterdir()) == [before.name, after.name]


def test_the_two_newest_checkpoints_are_kept(folder):
    paths = [save(folder, step) for step in (999, 1000, 20000)]
    assert [path.exists() for path in paths] == [False, True, True]


def test_a_checkpoint_of_the_same_step_takes_the_place_of_the_one_before(folder):
    save(folder, 10, "old")
    assert (save(folder, 10, "new") / "agent.zip").read_text() == "new"
    assert folder.latest_checkpoint() is not None


@pytest.mark.parametrize("damage", ["flip", "cut", "missing", "no manifest", "empty manifest", "odd manifest"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(damage, folder, caplog):
    before, newest = save(folder, 10), save(folder, 20)
    if damage == "flip":
        (newest / "agent.zip").write_text("wEights")
    elif damage == "cut":
        (newest / "run.npz").write_text("sta")
    elif damage == "missing":
        (newest / "run.npz").unlink()
    elif damage == "no manifest":
        (newest / "manifest.json").unlink()
    else:
        (newest / "manifest.json").write_text("" if damage == "empty manifest" else "[]")
    with caplog.at_level(logging.WARNING):
        assert folder.latest_checkpoint() == before
    assert newest.name in caplog.text and "damaged" in caplog.text


def test_when_every_checkpoint_is_damaged_the_run_does_not_start_over_by_itself(folder):
    for step in (10, 20):
        (save(folder, step) / "agent.zip").write_text("damaged")
    with pytest.raises(ValueError, match=r"every checkpoint in .* is damaged; remove that folder"):
        folder.latest_checkpoint()


# Logs


def test_lines_are_in_the_file_after_each_flush(folder):
    folder.append_episode({"step": 1})
    folder.append_episode({"step": 2})
    folder.append_evaluation({"step": 3})
    folder.flush()
    assert folder.episodes_path.read_text() == '{"step": 1}\n{"step": 2}\n'
    assert folder.evaluations_path.read_text() == '{"step": 3}\n'
    folder.flush()
    assert folder.episodes_path.read_text() == '{"step": 1}\n{"step": 2}\n'


def test_logs_are_cut_to_the_sizes_that_a_checkpoint_remembers(folder):
    folder.append_episode({"step": 1})
    sizes = folder.log_sizes()
    folder.append_episode({"step": 2})
    folder.append_evaluation({"step": 2})
    folder.flush()
    folder.cut_logs(sizes)
    assert folder.episodes_path.read_text() == '{"step": 1}\n'
    assert folder.evaluations_path.read_text() == ""


def test_a_log_shorter_than_its_checkpoint_is_an_error_that_costs_the_other_log_nothing(folder):
    folder.append_episode({"step": 1})
    folder.append_evaluation({"step": 1})
    sizes = folder.log_sizes()
    folder.append_episode({"step": 2})
    folder.flush()
    folder.evaluations_path.write_text('{"st')
    before = folder.episodes_path.read_bytes()
    with pytest.raises(ValueError, match=r"evaluations\.jsonl has 4 bytes, and the checkpoint was made after 12"):
        folder.cut_logs(sizes)
    assert folder.episodes_path.read_bytes() == before
    folder.evaluations_path.unlink()
    with pytest.raises(ValueError, match="has 0 bytes"):
        folder.cut_logs(sizes)


def test_a_number_that_is_not_finite_is_refused_by_its_field(folder):
    with pytest.raises(ValueError, match="'return'"):
        folder.append_episode({"return": float("nan")})


# Finding


def test_runs_are_found_below_a_folder_but_references_only_by_name(tmp_path):
    for name in ("b", "a", ".references/east"):
        RunFolder.create(tmp_path / name, {"scenario": {}, "agent": {}})
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text('{"learning_rate": 3}')
    assert [run.path.name for run in find_runs([tmp_path])] == ["a", "b"]
    assert [run.path.name for run in find_runs([tmp_path / ".references" / "east", tmp_path / "b"])] == ["east", "b"]
    with pytest.raises(ValueError, match="does not exist"):
        find_runs([tmp_path / "c"])
    (tmp_path / "c").mkdir()
    with pytest.raises(ValueError, match="no run folder"):
        find_runs([tmp_path / "c"])


# A real run


@dataclass
class Half:
    """A run as a kill in its second half leaves it, and what it becomes when it is not killed."""

    path: Path
    whole: dict


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    options = {"policy_kwargs": {"net_arch": [16]}, "learning_starts": 30, "batch_size": 16, "buffer_size": 500}
    agent = AgentConfig("dqn", options=options)
    config = RunConfig(
        condensed("point-goal", n_tasks=2, steps=400), agent, eval_every=100, eval_episodes=1, checkpoint_every=70
    )
    path = tmp_path_factory.mktemp("killed") / "run"
    saved, kept = RunFolder.save_checkpoint, path.with_name("kept")

    def save_and_keep(self, step, write):
        checkpoint = saved(self, step, write)
        if step == 280:
            shutil.copytree(self.path, kept)
        return checkpoint

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "save_checkpoint", save_and_keep)
        train(config, path, show_progress=False)
    return Half(kept, {name: (path / name).read_bytes() for name in LOGS})


@pytest.fixture
def half(killed, tmp_path):
    shutil.copytree(killed.path, tmp_path / "run")
    return Half(tmp_path / "run", killed.whole)


def logs(path):
    return {name: (path / name).read_bytes() for name in LOGS}


def test_a_run_with_a_damaged_newest_checkpoint_goes_on_from_the_one_before_to_the_same_end(half, caplog):
    newest = half.path / "checkpoints" / f"{280:012d}"
    (newest / "agent.zip").write_bytes((newest / "agent.zip").read_bytes()[:-7])
    (half.path / "checkpoints" / ".writing-000000000300").mkdir()
    with caplog.at_level(logging.WARNING):
        resume(half.path, show_progress=False)
    assert "is damaged (agent.zip does not have the hash in the manifest)" in caplog.text
    assert logs(half.path) == half.whole


def test_a_run_whose_log_lost_lines_is_refused_and_left_as_it_is(half):
    path = half.path / "episodes.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    before = {p: p.read_bytes() for p in half.path.rglob("*") if p.is_file()}
    with pytest.raises(ValueError, match="the log is damaged"):
        resume(half.path, show_progress=False)
    assert {p: p.read_bytes() for p in half.path.rglob("*") if p.is_file()} == before


def test_lines_after_the_checkpoint_and_half_a_line_are_written_again(half):
    with (half.path / "episodes.jsonl").open("a") as log:
        log.write('{"block": 1, "step": 290}\n{"blo')
    resume(half.path, show_progress=False)
    assert logs(half.path) == half.whole
