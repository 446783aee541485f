"""Environment families of walkers on tracks, on Box2D (extra ``box2d``)."""
