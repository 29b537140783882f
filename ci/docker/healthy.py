"""Ask a service of this container whether it is well: ``python healthy.py URL``; a slim image has no curl."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

_SECONDS = 4.0

try:
    urllib.request.urlopen(sys.argv[1], timeout=_SECONDS).close()  # noqa: S310 - an address from the compose file
except (OSError, urllib.error.URLError) as error:
    sys.exit(f"{sys.argv[1]}: {error}")
