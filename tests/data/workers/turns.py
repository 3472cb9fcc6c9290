"""The worker's own supervisor, over a measuring process that does what a knob `act` says.

act: `crash prepare`, `hang turn`, `wrong warm`, `leave turn` … ; it does so in the second turn.
talks: says things on standard output that are no answers.
"""

import importlib
import importlib.util
import json
import os
import sys
import tempfile
import time

MAIN = os.environ["WORKER_MAIN"]
SECOND = 1


def load():
    spec = importlib.util.spec_from_file_location("worker_main", MAIN)
    main = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(main)
    main.load_worker_package()
    return main


def do(act, run_dir, protocol, exchange):
    if act == "crash":
        sys.stderr.write("last words\n")
        os._exit(3)
    if act == "litter":  # as a compiler that is not ended in peace
        tempfile.mkdtemp()
        open(os.path.join(tempfile.gettempdir(), "cc1.s"), "w").close()
    if act == "hang":
        time.sleep(600)
    if act == "wrong":
        result = protocol.TrialResult(protocol.Outcome.WRONG_OUTPUT, "wrong")
        exchange.write(result, os.path.join(run_dir, "result.json"))
        os._exit(0)
    if act == "leave":
        os._exit(0)


def measure(run_dir):
    protocol, exchange, line_module = (
        importlib.import_module("npu_tune_worker." + name)
        for name in ("protocol", "exchange", "line")
    )
    with open(os.path.join(run_dir, "spec.json")) as file:
        spec = json.load(file)
    act, when = next((k["value"].split() for k in spec["knobs"] if k["name"] == "act"), ("", ""))
    print("a banner")
    line = line_module.Line()
    if when == "prepare":
        do(act, run_dir, protocol, exchange)
    line.answer("ready")
    turns = []
    for word, number in line:
        if word == when and (word != "turn" or number == SECOND):
            do(act, run_dir, protocol, exchange)
        if word == "warm" and spec["role"] == "baseline":
            open(spec["reference_path"], "w").close()
        if word == "turn":
            turns.append((number, time.monotonic_ns()))
        if word == "part":
            measurement = protocol.Measurement(
                [9], [1] * len(turns), [2] * len(turns), [], 2, 1,
                turns=[number for number, _ in turns], turn_started_ns=[ns for _, ns in turns],
            )  # fmt: skip
            part = protocol.TrialResult(protocol.Outcome.OK, measurement=measurement)
            exchange.write(part, os.path.join(run_dir, protocol.PART_FILE.format(number)))
            turns = []
        if word == "leave":
            break
        line.answer(word, 7 * len(turns))
    os._exit(0)


if "--measure" in sys.argv:
    load()
    measure(sys.argv[2])
else:
    print("a greeting")
    load().main(sys.argv[1:], [sys.executable, __file__])
