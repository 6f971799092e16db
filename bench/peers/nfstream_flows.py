"""nfstream as it comes: one meter, protocol detection on, every flow counted."""

import sys

from nfstream import NFStreamer


def main() -> None:
    """Print the number of flows of the capture named on the command line."""
    streamer = NFStreamer(source=sys.argv[1], n_meters=1)
    print(sum(1 for _ in streamer))


if __name__ == "__main__":
    main()
