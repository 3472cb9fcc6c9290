"""Engines at work: what is measured here is what an exported module does, word for word.

`npu-tune export --format python` puts the text of `tree`, `file`, one engine and `behind` into the
module that it writes: so they import torch, the engine and one another, and use no name twice. An
engine has

    SUFFIX                              of the file that it loads
    decides() -> values                 what decides that file beside the model
    export(flat, tensors, path)         make that file
    load(path, …) -> loaded             raises what the engine raises
    call(loaded, tensors) -> tensors    the output's, its own to keep
"""
