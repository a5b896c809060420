"""The one exception that is meant for users' eyes."""


class RdpipeError(Exception):
    """A fault the user can mend, in one sentence: what is wrong, where, and what to do."""


class OutOfMemoryError(RdpipeError):
    """A device has too little memory for what was asked of it at once; less may fit."""
