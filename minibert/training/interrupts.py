"""Ctrl-C during a run."""

import signal
import threading


class Interrupt:
    """While it is entered, Ctrl-C only sets `requested`, so that the step at hand is finished first."""

    def __enter__(self):
        self.requested = False
        self.in_main_thread = threading.current_thread() is threading.main_thread()
        if self.in_main_thread:  # Python allows signal handlers nowhere else
            self.previous = signal.signal(signal.SIGINT, self._request)
        return self

    def _request(self, signal_number, frame):
        self.requested = True
        signal.signal(signal.SIGINT, self.previous)  # a second Ctrl-C stops at once

    def __exit__(self, *exception):
        if self.in_main_thread:
            signal.signal(signal.SIGINT, self.previous)
