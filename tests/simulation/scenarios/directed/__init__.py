"""How each situation begins, by what goes wrong in it first; many were once a fault."""
