"""What can go wrong with an outside program."""


class FetchError(Exception):
    """Packages could not be fetched; the text is one line: the reason."""


class MissingProgramError(Exception):
    """A program is neither there nor to be had; the text is one line: what, why, what to do."""


class ServerError(Exception):
    """A server did not start, answer or obey; the text ends with the last lines of its log."""
