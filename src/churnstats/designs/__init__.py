"""Who is compared with whom, and which rows stay, each lost row with its reason."""
