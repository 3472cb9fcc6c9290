"""What becomes of the answer: the file, applying it, and whether it still holds."""
