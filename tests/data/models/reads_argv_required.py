"""Its command line must name a file, as that of many a training script."""

import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
options = parser.parse_args()
