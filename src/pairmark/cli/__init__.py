"""The command line: one module a command, imported cheaply, doing its work on demand."""
