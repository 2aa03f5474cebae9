"""How tables and pictures look: frames in, text or figures out. No statistics."""
