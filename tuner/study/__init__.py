"""The loop: ask, run, record, tell, confirm; and a study taken up, repeated or replayed."""
