"""What may be set: knobs, presets and rules, read from files and fitted to what is here."""
