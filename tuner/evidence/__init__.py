"""Recorded runs -> what may be claimed. Pure functions of what the store holds."""
