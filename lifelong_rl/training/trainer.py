"""The trainer: walks a scenario's blocks with an agent, evaluates, and can stop and go on at any moment."""

from __future__ import annotations

import logging
import shlex
import signal
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from lifelong_rl.agents.base import TaskInfo
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes
from lifelong_rl.evaluation.metrics import score
from lifelong_rl.scenarios import Block
from lifelong_rl.tracking import teaching
from lifelong_rl.tracking.costs import Costs
from lifelong_rl.tracking.progress import Progress
from lifelong_rl.tracking.recorder import Recorder, cut_events
from lifelong_rl.tracking.run_folder import RunFolder
from lifelong_rl.training.build import (
    TEACHERS,
    build_agent,
    build_curriculum,
    build_evaluator,
    connect,
    spawn_rng,
)
from lifelong_rl.training.config import RunConfig, provenance
from lifelong_rl.training.meter import Meter
from lifelong_rl.training.references import cached_references
from lifelong_rl.training.sources import TaskSource, TaughtTasks, source_of

logger = logging.getLogger(__name__)

POLL_EVERY = 250
"""Environment steps between looks at whether the run shall stop; a whole rollout where that is longer."""

N_RECENT = 500
"""Drawn tasks that the figure of a teacher's task distribution shows."""

N_FIGURES = 20
"""Figures of a teacher's task distribution over a block, and of the transfer matrix over a run."""


class RunInterrupted(KeyboardInterrupt):
    """The run was asked to stop (Ctrl-C or SIGTERM), and can be resumed.

    has_checkpoint: whether it wrote a checkpoint first; it does not when asked again to stop at once.
    """

    def __init__(self, folder: RunFolder, step: int, signal_number: int, *, has_checkpoint: bool = True):
        self.command = f"lifelong-rl resume {shlex.quote(str(folder.path))}"
        self.signal_number = signal_number
        how = "with a checkpoint; go on" if has_checkpoint else "at once; go on from the latest checkpoint"
        super().__init__(f"stopped at step {step:,} {how} with: {self.command}")


class Trainer:
    """Runs one configuration in a folder, from its beginning or from its latest checkpoint.

    Everything that can be refused is refused by the constructor, before anything is written.

    callback: a Stable-Baselines3 callback, called at every step of training. It is no part of the run's state.
    """

    def __init__(
        self,
        config: RunConfig,
        path: str | Path,
        *,
        is_resumed: bool = False,
        show_progress: bool = True,
        callback: Any = None,
    ):
        self.meter = Meter()
        self.config = config
        self.callback = callback
        self.scenario = config.scenario
        self.show_progress = show_progress
        self.step = 0
        """Environment steps done, over all blocks."""
        self.block_index = 0
        self.block_steps = 0
        self._is_started = False
        self._is_in_block = False
        self._recent: deque[tuple[list[float], float]] = deque(maxlen=N_RECENT)  # drawn points and their scores
        self._stop_signal: int | None = None
        self.curriculum = build_curriculum(config)
        self.evaluator = build_evaluator(config)
        try:
            self.agent = build_agent(config, self.curriculum)
            connect(config, self.curriculum, self.agent)
            if is_resumed:
                self.folder = RunFolder.open(path)
            else:
                self.folder = RunFolder.create(path, config.to_json() | {"provenance": provenance()})
        except BaseException:
            self.curriculum.close()  # else processes of its environments would stay
            raise

    # The run

    def run(self) -> RunFolder:
        """Train to the end of the scenario; gives the run's folder. RunInterrupted where a signal stops it."""
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)  # small networks are slower on more, and sums would depend on their number
        try:
            self._resume_or_start()
            with self._stopped_by_signals():
                self._walk()
            self._finish()
        except RunInterrupted:
            raise
        except (KeyboardInterrupt, ChildProcessError) as error:
            # A signal may also reach the environments' processes, and they end first.
            if isinstance(error, ChildProcessError) and not self._stop_signal:
                raise
            number = self._stop_signal or signal.SIGINT
            raise RunInterrupted(self.folder, self.step, number, has_checkpoint=False) from error
        except Exception as error:
            command = f"lifelong-rl resume {shlex.quote(str(self.folder.path))}"
            error.add_note(f"What was written is kept. Once the cause is mended, go on with: {command}")
            raise
        finally:
            torch.set_num_threads(n_threads)
            self._close()
        return self.folder

    def _resume_or_start(self) -> None:
        self.folder.lock()
        checkpoint = self.folder.latest_checkpoint()
        state = None if checkpoint is None else state_from_bytes((checkpoint / "run.npz").read_bytes())
        self.folder.cut_logs(state["logs"] if state else {"episodes.jsonl": 0, "evaluations.jsonl": 0})
        cut_events(self.folder.path, state["events"] if state else {})
        self.recorder = Recorder(self.folder.path, purge_step=state["step"] + 1 if state else None)
        self.agent.set_logger(self.recorder.sb3_logger())
        if state is None:
            self.recorder.text("config", f"```json\n{(self.folder.path / 'config.json').read_text()}\n```")
            self.recorder.chart_of_all_tasks()
        else:
            assert checkpoint is not None
            self._restore(checkpoint, state)
        self.progress = Progress(self.scenario.steps, self.step, is_shown=self.show_progress)

    def _walk(self) -> None:
        if not self._is_started:
            self._evaluate("start")
            self._is_started = True
            self._checkpoint()
        while self.block_index < len(self.scenario.blocks):
            if not self._is_in_block:
                self._begin_block()
            self._train_block()
            self._end_block()

    def _begin_block(self) -> None:
        block = self._block
        self._is_in_block = True
        self.block_steps = 0
        self._recent.clear()
        with self._training():
            observations = self.curriculum.start_block(self._source())
        self.agent.continue_from(observations, is_episode_start=True)
        if block.visibility != "none":
            known = block.task.id if block.task is not None and block.visibility == "task_id" else None
            self.agent.begin_task(TaskInfo(known, block.steps))
        elif self.block_index == 0 or self.scenario.blocks[self.block_index - 1].visibility != "none":
            self.agent.begin_task(TaskInfo(None, self._hidden_steps()))

    def _train_block(self) -> None:
        block = self._block
        while self.block_steps < block.steps:
            n_steps = self._steps_to_pause()
            with self._training():
                self.agent.learn_steps(n_steps, self.callback)
            self.step += n_steps
            self.block_steps += n_steps
            self._write_episodes()
            is_last = self.block_steps == block.steps
            if is_last or _crossed(self.step, n_steps, self.config.log_every):
                self._write_curves()
            # Counted from the block's start, so that a reference run of its task is evaluated at the same moments.
            if not is_last and _crossed(self.block_steps, n_steps, self.config.eval_interval(block)):
                self._evaluate("during")
            must_stop = self._stop_signal is not None and not is_last
            if must_stop or (not is_last and _crossed(self.step, n_steps, self.config.checkpoint_every)):
                self._checkpoint()
            self._stop_if_asked(may_stop=must_stop)

    def _end_block(self) -> None:
        following = self.scenario.blocks[self.block_index + 1 : self.block_index + 2]
        is_hidden = self._block.visibility == "none" and any(block.visibility == "none" for block in following)
        if not is_hidden:
            with self._training():
                self.agent.end_task()
        self._evaluate("end")
        self._is_in_block = False
        self.block_index += 1
        self._checkpoint()
        self._stop_if_asked(may_stop=self.block_index < len(self.scenario.blocks))

    def _finish(self) -> None:
        from lifelong_rl.tracking.report import write_run

        log = self.folder.log()
        metrics = score(log, references=cached_references(self.folder))
        names = [f"{metric.family}/{metric.name}" for metric in metrics]
        settings = {"agent": self.config.agent.label, "scenario": self.scenario.name, "seed": self.config.seed}
        self.recorder.hyperparameters(settings | {"family": self.scenario.family}, names, self.step)
        self.recorder.sizes()  # flushed before the report, whose last file says that the run is finished
        self.folder.save_costs(self.meter.read(self.agent, self.step))
        write_run(self.folder, log, metrics)

    def _close(self) -> None:
        self.folder.flush()
        if hasattr(self, "progress"):
            self.progress.close()
        if hasattr(self, "recorder"):
            self.recorder.close()
        self.evaluator.close()
        self.curriculum.close()
        self.folder.unlock()

    # Blocks and pauses

    @property
    def _block(self) -> Block:
        return self.scenario.blocks[self.block_index]

    def _source(self) -> TaskSource:
        rng = spawn_rng(self.config.seed, TEACHERS, self.block_index)
        return source_of(self._block, self.scenario.env_class.task_space, rng)

    def _hidden_steps(self) -> int:
        """Give the budget of this and the following blocks that the agent is not told of."""
        total = 0
        for block in self.scenario.blocks[self.block_index :]:
            if block.visibility != "none":
                break
            total += block.steps
        return total

    def _steps_to_pause(self) -> int:
        """Give the steps to the next moment at which something is due, in whole rollouts of the agent."""
        interval = self.config.eval_interval(self._block)
        to_evaluation = interval - self.block_steps % interval
        to_others = [every - self.step % every for every in (self.config.checkpoint_every, self.config.log_every)]
        wanted = min(POLL_EVERY, to_evaluation, *to_others)
        stride = self.agent.stride
        return min(-(-wanted // stride) * stride, self._block.steps - self.block_steps)

    @contextmanager
    def _training(self) -> Iterator[None]:
        """Count what is done inside as training, less what the teacher did of it."""
        with self.meter.during("training"):
            yield
        source = self.curriculum.source
        if isinstance(source, TaughtTasks):
            self.meter.move_to_teacher(*source.take_spent())

    # What is written

    def _write_episodes(self) -> None:
        source = self.curriculum.source
        assert source is not None
        for episode in self.curriculum.take_finished():
            record = {
                "step": episode.step,
                "block": self.block_index,
                "env": episode.env,
                "task": episode.task.id,
                "return": episode.episode_return,
                "score": episode.score,
                "length": episode.length,
                "success": bool(episode.success),
                "source": source.name,
            }
            if not source.is_fixed:
                record["params"] = episode.task.params
                if not episode.is_trained:
                    record["trained"] = False
                if episode.extra:
                    record["extra"] = dict(episode.extra)
                self._recent.append((list(episode.task.unit), episode.score))
            self.folder.append_episode(record)
            self.progress.note_episode(episode.task.id, episode.score)
        self.folder.flush()
        self.progress.advance_to(self.step)

    def _write_curves(self) -> None:
        self.agent.write_logs()
        source = self.curriculum.source
        if isinstance(source, TaughtTasks):
            points, scores = self._recent_points(source), [score for _, score in self._recent]
            statistics = teaching.teacher_statistics(source.teacher, source.name, source.space, points, scores)
            self.recorder.scalars(statistics, self.step, "teacher/")
            self.recorder.scalars({"teacher_us_per_episode": source.microseconds()}, self.step, "time/")

    def _recent_points(self, source: TaughtTasks) -> NDArray[np.float64]:
        return np.array([point for point, _ in self._recent]).reshape(-1, source.space.dimension)

    def _evaluate(self, at: Literal["start", "during", "end"]) -> None:
        self.progress.announce("evaluating")
        block = self._block
        trained = block.task.id if block.task is not None else None
        moment = {"step": self.step, "block": self.block_index, "at": at, "trained": trained}
        with self.meter.during("evaluation"):
            results = self.evaluator.evaluate(self.agent)
            extra = self.agent.diagnose(moment)
        for result in results:
            self.folder.append_evaluation(moment | result.to_record() | ({"extra": extra} if extra else {}))
            self.recorder.scalars(result.means(), self.step, f"eval/{result.task.id}/")
        self.recorder.scalars(extra, self.step, "components/")
        self.folder.flush()
        self._draw_figures(at)

    def _draw_figures(self, at: str) -> None:
        from lifelong_rl.tracking import report

        source = self.curriculum.source
        if at != "start" and isinstance(source, TaughtTasks) and self._is_figure_due(at):
            points, scores = self._recent_points(source), [score for _, score in self._recent]
            figure = teaching.teacher_figure(source.teacher, source.space, points, scores)
            self.recorder.figure("teacher/task_distribution", figure, self.step)
            self.folder.save_teacher(self.block_index, state_to_bytes(source.state_dict()))
        if at == "end":
            log = self.folder.log()
            for metric in score(log, references=cached_references(self.folder)):
                if metric.value is not None:
                    tag = f"transfer/{metric.family}/{metric.name}"
                    self.recorder.scalars({tag: metric.value}, self.step)
            every = len(self.scenario.blocks) // N_FIGURES + 1  # drawing one may take longer than a short block
            if (self.block_index + 1) % every == 0 or self.block_index == len(self.scenario.blocks) - 1:
                kinds = report.block_kinds([block.to_json() for block in self.scenario.blocks])
                self.recorder.figure("transfer/matrix", report.matrix_figure(log, kinds), self.step)

    def _is_figure_due(self, at: str) -> bool:
        every = max(self._block.steps // N_FIGURES, 1)
        return at == "end" or _crossed(self.block_steps, self.config.eval_interval(self._block), every)

    # Checkpoints and stopping

    def _checkpoint(self) -> None:
        self.progress.announce("checkpoint")
        with self.meter.during("checkpoints"):
            self._save_checkpoint()
        self.folder.save_costs(self.meter.read(self.agent, self.step))

    def _save_checkpoint(self) -> None:
        logs, events = self.folder.log_sizes(), self.recorder.sizes()
        state = {
            "step": self.step,
            "block": self.block_index,
            "block_steps": self.block_steps,
            "is_in_block": self._is_in_block,
            "recent": [[point, value] for point, value in self._recent],
            "curriculum": self.curriculum.state_dict(has_episodes=self._is_in_block),
            "logs": logs,
            "events": events,
            "costs": self.meter.read(self.agent, self.step).to_json(),
        }

        def write(folder: Path) -> None:
            self.agent.save(folder / "agent.zip")
            (folder / "run.npz").write_bytes(state_to_bytes(state))

        self.folder.save_checkpoint(self.step, write)

    def _restore(self, checkpoint: Path, state: dict[str, Any]) -> None:
        self.step, self.block_index = state["step"], state["block"]
        self.block_steps, self._is_in_block = state["block_steps"], state["is_in_block"]
        self._is_started = True  # a run's first checkpoint follows its first evaluation
        costs = state.get("costs")  # checkpoints of older versions have none
        self.meter.continue_from(Costs.from_json(costs) if costs else None)
        self._recent.extend((point, value) for point, value in state["recent"])
        source = self._source() if self._is_in_block else None
        observations = self.curriculum.load_state_dict(state["curriculum"], source)
        self.agent.restore(checkpoint / "agent.zip")  # last: it also sets the global generators
        if observations is not None:
            self.agent.continue_from(observations, is_episode_start=False)

    def _stop_if_asked(self, *, may_stop: bool) -> None:
        if self._stop_signal and may_stop:
            raise RunInterrupted(self.folder, self.step, self._stop_signal)

    @contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        """Note the first Ctrl-C or SIGTERM, so that the run stops at its next pause; a second stops it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals reach the main thread only
            return

        def note(number: int, frame: Any) -> None:
            if self._stop_signal:
                raise KeyboardInterrupt
            self._stop_signal = number
            self.progress.announce("stopping: writing a checkpoint (again to stop at once)")

        previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _crossed(step: int, n_steps: int, every: int) -> bool:
    """Tell whether the last ``n_steps`` steps, up to ``step``, passed or reached a multiple of ``every``."""
    return step // every > (step - n_steps) // every


def train(config: RunConfig, path: str | Path, *, show_progress: bool = True, callback: Any = None) -> RunFolder:
    """Run a configuration in a new folder; gives the folder. ValueError for what cannot run, before it starts."""
    RunFolder(path).check_is_new()  # before the long constructions
    return Trainer(config, path, show_progress=show_progress, callback=callback).run()


def resume(path: str | Path, *, show_progress: bool = True, callback: Any = None) -> RunFolder:
    """Continue a run from its latest checkpoint (from its beginning if it has none); gives the folder."""
    config = RunConfig.from_json(RunFolder.open(path).config)
    return Trainer(config, path, is_resumed=True, show_progress=show_progress, callback=callback).run()


def ensure_trained(config: RunConfig, path: str | Path, *, show_progress: bool = True) -> RunFolder:
    """Run a configuration unless that is done: start it, resume it, or take the finished run as it is.

    ValueError where the folder holds a run of another configuration.
    """
    folder = RunFolder(path)
    with folder.waited_for():  # another process may be training just this, as runs that share a reference do
        if not (folder.path / "config.json").is_file():
            return train(config, path, show_progress=show_progress)
        if RunConfig.from_json(folder.config).key != config.key:
            raise ValueError(
                f"{folder.path} holds a run of another configuration; remove it, or give this run another name."
            )
        if folder.is_finished:
            return folder
        return resume(path, show_progress=show_progress)
