"""What to change in a package file, and why."""
