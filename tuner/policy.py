"""What counts: which differences matter, how many runs prove one, how often that may err."""

from __future__ import annotations

PRACTICAL_EFFECT = 0.01  # a smaller difference is worth no setting
NOISY_SPREAD = 0.03  # above it even a 5 % gain takes more than a dozen pairs
TOO_BUSY = 1.0  # where no gain below 2x can be shown

BASELINE_RUNS = 5  # before the search: they show the noise, and everything is compared with them
MAX_HEAT = 16  # runs; more in flight than a search of some forty trials can learn from
MIN_PAIRS = 6  # the fewest whose extremes cover the median with more than 95 %: 1 - 2/64
MAX_PAIRS = 1000  # of a few more the binomial coefficients are no floats any more

ALL_ERRORS = 0.05  # what the looks may err with together
LEAST_ALPHA = 0.01  # of a look after others have used all of that up

# Knobs that are counts: they have numeric defaults, and are no part of what a setting is worth.
WARMUP = "warmup"
BATCH_SIZE = "batch_size"
