"""What works here, what does not, what each lack costs, and the one command that mends it."""
