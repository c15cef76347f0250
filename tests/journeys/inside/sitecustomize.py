"""Loaded by every server of a journey: SIGUSR1 makes it write the stacks of its threads."""

import faulthandler
import signal

faulthandler.register(signal.SIGUSR1, all_threads=True)
