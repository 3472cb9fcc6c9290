"""What is shown: renderables for the terminal and HTML. Nothing here prints."""
