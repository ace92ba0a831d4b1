"""The command line: one file a command, without logic of its own."""
