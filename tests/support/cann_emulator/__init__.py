"""An emulated CANN: torch_npu's own code runs, no figure is a device's."""
