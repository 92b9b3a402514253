"""Audio messages in: publishers, sample formats, a ring of recent sound, the trigger."""
