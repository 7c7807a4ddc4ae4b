"""Ctrl-C during a run, and the other signals that ask a process to end."""

import signal
import threading

# Ctrl-C; `kill`, slurm, docker stop and systemd; a terminal or connection that is closed; Ctrl-Break.
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
SIGNALS = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """A run was asked to stop, and wrote a checkpoint first; `signal_number` says by which signal."""

    def __init__(self, message, signal_number):
        super().__init__(message)
        self.signal_number = signal_number


class Interrupt:
    """While it is entered, a signal that asks to stop only sets `requested`: the step is finished first.

    A signal that the process was started to ignore stays ignored: SIGHUP under nohup, Ctrl-C in a script's
    background jobs. After the first signal a Ctrl-C stops at once; the others may come twice, as when a
    terminal is closed.
    """

    requested, signal_number = False, signal.SIGINT

    def __enter__(self):
        self.previous = {}
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            for number in SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):  # None: set outside of Python
                    self.previous[number] = signal.signal(number, self._request)
        return self

    def _request(self, signal_number, frame):
        if not self.requested:
            self.requested, self.signal_number = True, signal_number
        if signal.SIGINT in self.previous:
            signal.signal(signal.SIGINT, self.previous[signal.SIGINT])

    def __exit__(self, *exception):
        for number, handler in self.previous.items():
            signal.signal(number, handler)
