"""The commands of the command line, a file each; common.py holds the parts that they share.

A module adds itself to the parser by `add(subparsers)`, with `set_defaults(run=...)`. The parser imports all
of them, so whatever is slow to import (models, training, Matplotlib, the debugger) is imported inside `run`.
"""
