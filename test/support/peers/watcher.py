"""Watches a folder with watchdog and prints a line for each file that was made, closed after writing, or moved: its path."""

import sys

from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer


class Handler(FileSystemEventHandler):
    def on_created(self, event):
        print("created", event.src_path, flush=True)

    def on_closed(self, event):
        print("closed", event.src_path, flush=True)

    def on_moved(self, event):
        print("moved", event.dest_path, flush=True)


observer = Observer()
observer.schedule(Handler(), sys.argv[1], recursive=True)
observer.start()
print("watches", flush=True)
sys.stdin.read()
observer.stop()
observer.join()
