"""How often is a win claimed where there is none? Whole studies of a space with inert knobs only.

    python benchmarks/false_claims.py [--studies 10] [--model benchmarks/convnet.py:make]

Real runs on this host, the search's best of four against the baseline in 8 pairs. Prints a line for
each study and how many kept the defaults; another answer in any of them is a false claim.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import Counter
from pathlib import Path

from tuner import tune

HERE = Path(__file__).parent


def main() -> None:
    """Run the studies and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--studies", type=int, default=10)
    parser.add_argument("--model", default=f"{HERE / 'convnet.py'}:make")
    options = parser.parse_args()
    verdicts: Counter[str] = Counter()
    for seed in range(options.studies):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            found = tune(
                options.model, backend="cpu", space=HERE / "inert.yaml", trials=4, seed=seed
            )
            os.chdir(HERE)
        verdicts[found.verdict] += 1
        interval = found.evidence.interval
        shown = f"{interval.low:.3f}x to {interval.high:.3f}x" if interval else found.reason
        spread = found.evidence.noise.baseline_spread or 0.0
        print(f"{seed}: {found.verdict}, {shown}, baseline spread {spread:.1%}", flush=True)
    kept = verdicts["same"] + verdicts["unclear"]
    print(f"{kept} of {options.studies} same or unclear, on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
