"""Edge: the commands of `smsgw`, one file each: ask `shared.operations`, show what it found, say how it ended."""
