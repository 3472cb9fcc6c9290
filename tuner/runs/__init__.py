"""A fresh process for each run, on a device that is locked, recorded in one database."""
