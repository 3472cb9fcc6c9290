"""The commands: parse, call, print. Only this package prints or exits."""
