"""The command `build-admin`: its parser, and what each command does."""
