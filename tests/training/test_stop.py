"""Ctrl-C and SIGTERM write a checkpoint and say how to go on; going on ends as if nothing had happened."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from training_toys import Interrupter, logs, start_cli, tiny

from lifelong_rl.cli import main
from lifelong_rl.scenarios import curriculum
from lifelong_rl.training.trainer import RunInterrupted, resume, train

SCENARIO = curriculum("point-goal", teacher="random", steps=600, n_test_tasks=2)


def interrupted(at, number=signal.SIGINT, times=1):
    options = {"at": at, "number": int(number), "times": times}
    return tiny(SCENARIO, components=[("training_toys:Interrupter", options)], checkpoint_every=150)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    train(interrupted(0), path, show_progress=False)
    return logs(path)


@pytest.mark.parametrize(
    ("number", "times", "words"),
    [
        (signal.SIGINT, 1, "with a checkpoint; go on with: "),
        (signal.SIGTERM, 1, "with a checkpoint; go on with: "),
        (signal.SIGINT, 2, "at once; go on from the latest checkpoint with: "),
    ],
)
def test_a_signal_stops_the_run_and_resuming_ends_as_if_it_had_not(
    number, times, words, whole, tmp_path, monkeypatch
):
    monkeypatch.setattr(Interrupter, "is_armed", True)
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    path = tmp_path / "a run"
    with pytest.raises(RunInterrupted, match=words) as caught:
        train(interrupted(333, number, times), path, show_progress=False)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert caught.value.signal_number == number
    assert caught.value.command == f"lifelong-rl resume {shlex.quote(str(path))}"
    stopped_at = int(max((path / "checkpoints").iterdir()).name)
    assert stopped_at == (300 if times == 2 else 400)  # at the next pause, or at the last checkpoint before
    resume(path, show_progress=False)
    assert logs(path) == whole


def test_a_second_signal_while_the_checkpoint_is_written_loses_nothing(whole, tmp_path, monkeypatch):
    from lifelong_rl.tracking.run_folder import RunFolder

    saved = RunFolder.save_checkpoint

    def interrupted_save(self, step, write):
        def write_and_be_interrupted(folder):
            write(folder)
            if step == 300:
                raise KeyboardInterrupt

        return saved(self, step, write_and_be_interrupted)

    monkeypatch.setattr(RunFolder, "save_checkpoint", interrupted_save)
    with pytest.raises(RunInterrupted, match="at once"):
        train(interrupted(0), tmp_path / "run", show_progress=False)
    monkeypatch.undo()
    assert (tmp_path / "run" / "checkpoints" / ".writing-000000000300").is_dir()
    resume(tmp_path / "run", show_progress=False)
    assert logs(tmp_path / "run") == whole
    assert not list((tmp_path / "run" / "checkpoints").glob(".writing*"))


def arguments(runs: Path, *others: str) -> list[str]:
    options = ["policy_kwargs.net_arch=[16]", "learning_starts=30", "batch_size=16", "buffer_size=1000"]
    plain = ["--curriculum", "random", "--tasks", "2", "--steps", "1200", "--eval-every", "600", "--quiet"]
    return ["train", *plain, "--runs", str(runs), *others, "--agent-options", *options]


def wait_for_episodes(run: Path, process) -> None:
    for _ in range(1200):
        if (run / "episodes.jsonl").is_file() and (run / "episodes.jsonl").stat().st_size:
            return
        assert process.is_alive()
        time.sleep(0.05)
    raise AssertionError("the run did not begin")


@pytest.mark.parametrize(
    ("number", "status"), [pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow), (signal.SIGTERM, 143)]
)
def test_the_command_line_stops_with_the_signals_status_and_its_command_goes_on(number, status, tmp_path):
    run = tmp_path / "the runs" / "point-goal" / "dqn-random-s0"
    process = start_cli(arguments(tmp_path / "the runs"), tmp_path / "stderr")
    wait_for_episodes(run, process)
    os.kill(process.pid, number)
    process.join()
    said = (tmp_path / "stderr").read_text()
    assert process.exitcode == status, said
    assert "Traceback" not in said
    command = shlex.split(re.search(r"go on with: lifelong-rl (resume .*)", said).group(1))
    assert command == ["resume", str(run)]
    assert main([*command, "--quiet"]) == 0
    assert main(arguments(tmp_path / "others")) == 0
    assert logs(run) == logs(tmp_path / "others" / "point-goal" / "dqn-random-s0")


@pytest.mark.slow
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
@pytest.mark.parametrize("others", [[], ["--parallel", "--n-envs", "2"]])
def test_a_whole_process_group_that_is_stopped_can_go_on(signals, others, tmp_path):
    """As a terminal's Ctrl-C or a batch system does it: environments' processes get the signal too."""
    command = [str(Path(sys.executable).parent / "lifelong-rl")]
    run = tmp_path / "runs" / "point-goal" / "dqn-random-s0"
    with (tmp_path / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [*command, *arguments(tmp_path / "runs", *others)], stderr=stderr, start_new_session=True
        )
        while not ((run / "episodes.jsonl").is_file() and (run / "episodes.jsonl").stat().st_size):
            assert process.poll() is None
            time.sleep(0.02)
        for number in signals:
            os.killpg(process.pid, number)
            time.sleep(0.01)
        assert process.wait(60) == 128 + signals[0]
    said = (tmp_path / "stderr").read_text()
    resumed = shlex.split(re.search(r"with: (lifelong-rl resume .*)", said).group(1))
    subprocess.run([*command, *resumed[1:], "--quiet"], check=True, timeout=120)
    subprocess.run([*command, *arguments(tmp_path / "others", *others)], check=True, timeout=120)
    assert logs(run) == logs(tmp_path / "others" / "point-goal" / "dqn-random-s0")


@pytest.mark.slow
def test_a_run_outside_the_main_thread_needs_no_signals(tmp_path):
    from threading import Thread

    config = replace(tiny(SCENARIO), eval_every=1000)
    thread = Thread(target=train, args=(config, tmp_path / "run"), kwargs={"show_progress": False})
    thread.start()
    thread.join()
    assert (tmp_path / "run" / "metrics.json").is_file()
