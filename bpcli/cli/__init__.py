"""The command line: one command a file in `commands/`; the only importer of click.

To add a command, write `commands/NAME.py` with a click command called ``command``, and its line in
`registry.py`.
"""
