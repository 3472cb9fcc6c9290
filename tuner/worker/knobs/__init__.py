"""One module per way to apply a knob, or to read one back, inside the process.

A module has some of these functions, and none that it does not need:

    at_start()                          before torch is imported; its return value is `start`
    missing(value) -> str               why this value cannot be used here; "" where it can
    apply(value, workload)              change the process, the inputs or the model
    read_back(workload, start) -> ReadBack  what the knob is now; called for an unset knob as well
    AGAIN = True                        it may be set again once the model is built, where that has
                                        set it back; its read-back needs no workload then
"""
