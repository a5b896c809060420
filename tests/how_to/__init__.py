"""The code of the how-to pages, added to a copy of rdpipe."""
