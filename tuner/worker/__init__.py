"""The measuring child. Keep this file empty of code: it is loaded by path, in the user's interpreter."""
