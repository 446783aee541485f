"""Teachers: they choose the next task from the outcomes so far."""
