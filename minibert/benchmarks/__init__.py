"""The benchmarks of `minibert bench`, a file each; harness.py holds the parts that they share.

A benchmark is a module with

    HELP, DESCRIPTION           a line and a paragraph for --help
    add_options(command)        adds its options to an argparse parser
    measure(options, say)       measures, prints its results line by line, and returns plain data for --json
"""
