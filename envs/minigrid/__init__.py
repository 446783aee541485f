"""MiniGrid's rooms as an environment family (extra ``minigrid``)."""
