"""What is drawn: one module a figure family."""
