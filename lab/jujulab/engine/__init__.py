"""The controller of the lab: the model, the unit agents and their hook tools, one daemon."""
