"""Names under which services know the monitor; everything is in :mod:`pulse_perf`."""
