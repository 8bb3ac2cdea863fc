"""The one exception that a user can cause."""


class UserError(Exception):
    """Something in the input, the flags or a folder that its user can put right.

    The message is one line: which file, row or flag, and the remedy. The command line prints it without
    a traceback and ends with exit code 2.
    """
