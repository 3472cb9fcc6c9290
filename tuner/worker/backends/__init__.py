"""One module per device: `missing`, `device_name`, `synchronize`, `peak_memory_bytes`."""
