"""The controller's API: the wire between the command line and the controller."""
