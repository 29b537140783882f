"""Attacks on every reader with damaged files, for as long as somebody lets it run; not part of the suite."""
