"""One module per device. Each has `missing`, `device_name`, `synchronize` and `peak_memory_bytes`."""
