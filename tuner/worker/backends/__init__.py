"""One module per device: is it there, its name, waiting for it, its memory, events, profiler."""
