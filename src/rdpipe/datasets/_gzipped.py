"""What readers of compressed binary files share."""

import gzip
import zlib
from pathlib import Path

from rdpipe.common.errors import RdpipeError


def decompressed(path: Path) -> bytes:
    """All bytes of a gzip file; raises RdpipeError if it is none, or cut off."""
    try:
        return gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise damaged(path, f"cannot be decompressed ({error})") from None


def damaged(path: Path, what: str) -> RdpipeError:
    """The sentence for a file that is not what it should be."""
    return RdpipeError(f"{path} {what}; remove it, so that it is downloaded anew.")
