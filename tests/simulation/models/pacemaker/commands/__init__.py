"""Pacemaker's commands over the model, with the exit codes and the output of 2.1.5."""
