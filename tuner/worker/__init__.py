"""The measuring child. Keep this file empty: it is loaded by path in the user's interpreter."""
