"""What every measurement of an evaluation shares: how it says that it has no value."""

from __future__ import annotations


class Undefined(ValueError):
    """A metric has no value for this input; the message is the reason."""
