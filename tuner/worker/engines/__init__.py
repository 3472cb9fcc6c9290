"""One module per engine: what executes the model in the place of torch's own eager mode.

Found by the value of `execution` up to its first hyphen. A module has

    missing(value) -> str               why it cannot be used here; "" where it can
    apply(value, workload)              replace the workload's forward
    compiles(value) -> bool             does the first call compile it? where there is none: no
"""
