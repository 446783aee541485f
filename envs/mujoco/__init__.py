"""Environment families on MuJoCo (extra ``mujoco``)."""
