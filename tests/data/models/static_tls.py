"""What an import says on aarch64 when a second OpenMP library comes too late."""

raise ImportError("/opt/libgomp.so.1.0.0: cannot allocate memory in static TLS block")
