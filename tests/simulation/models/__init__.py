"""Nova, Pacemaker, Masakari and its database, as they are to the code that is simulated."""
