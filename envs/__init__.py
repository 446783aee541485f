"""Environment families and the task protocol."""
