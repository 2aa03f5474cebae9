"""Arrays in, arrays out: groups, absorbed effects and solves. No frames, no statistics."""
