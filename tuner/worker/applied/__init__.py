"""A configuration at work in a user's own program; only `libraries` serves the worker, too."""
