"""From what is asked for to runs that are done: plans, sessions, places, progress."""
