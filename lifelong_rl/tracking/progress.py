"""The progress bar: one for the whole run, with rate, remaining time and the current task."""

from __future__ import annotations

from tqdm import tqdm


class Progress:
    """Shows how far a run is. A bar that is not shown does nothing."""

    def __init__(self, total: int, done: int, *, is_shown: bool = True):
        self._bar = tqdm(
            total=total, initial=done, unit="step", unit_scale=True, disable=not is_shown, dynamic_ncols=True
        )
        self._task = ""
        self._score = 0.0

    def note_episode(self, task: str, score: float) -> None:
        """Show the task of the episode that just ended, and its score smoothed over about ten of that task."""
        self._score = score if task != self._task else 0.9 * self._score + 0.1 * score
        self._task = task

    def advance_to(self, step: int) -> None:
        """Show that the run is at ``step``."""
        self._bar.set_postfix_str(f"{self._task} score {self._score:.2f}" if self._task else "", refresh=False)
        self._bar.update(step - self._bar.n)

    def announce(self, what: str) -> None:
        """Show what is being done beside training."""
        self._bar.set_postfix_str(what, refresh=True)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()
