"""Nova, as it is to whoever asks it for something."""
