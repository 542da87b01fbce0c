"""Where input goes that cannot be processed."""
