"""From bytes that arrive to a capture in the store: bounded, hashed, known by their first bytes.

    part = Part.create(store.folder.uploads, limits)
    part.write(data)                          again and again, from any thread
    keep(store, part, name=clean_name(...), by=actor)

What arrives is never held in memory, and a file on the disk is never named by who sent it.
"""

from analyzer.intake.keeping import Kept, keep
from analyzer.intake.kinds import Kind, NotACapture, recognise
from analyzer.intake.names import NameRefused, clean_name
from analyzer.intake.parts import IntakeLimits, NoSpace, Part, TooLarge, check_space
from analyzer.intake.resumable import completed, file_name, name_of, open_part
from analyzer.intake.sweeping import Swept, sweep

__all__ = [
    "IntakeLimits",
    "Kept",
    "Kind",
    "NameRefused",
    "NoSpace",
    "NotACapture",
    "Part",
    "Swept",
    "TooLarge",
    "check_space",
    "clean_name",
    "completed",
    "file_name",
    "keep",
    "name_of",
    "open_part",
    "recognise",
    "sweep",
]
