"""The installed command: installed under a name of its own, so that nothing in a working folder can stand before it."""
