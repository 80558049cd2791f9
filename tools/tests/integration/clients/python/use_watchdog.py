# SPDX-License-Identifier: GPL-2.0-or-later
"""watchdog: each event with its paths."""

from __future__ import annotations

import sys

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer


class Handler(FileSystemEventHandler):
    """Prints what it is told of, but for those who only read."""

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type not in ("opened", "closed_no_write"):
            print(event.event_type, event.src_path, event.dest_path, flush=True)


observer = Observer()
observer.schedule(Handler(), sys.argv[1], recursive=True)
observer.start()
print("ready", flush=True)
observer.join()
