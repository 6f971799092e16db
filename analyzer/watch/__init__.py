"""Takes captures from a folder that others write to; `Watcher` says how."""

from analyzer.watch.watcher import Watcher, WatchSettings, WatchStatus

__all__ = ["WatchSettings", "WatchStatus", "Watcher"]
