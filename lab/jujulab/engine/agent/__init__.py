"""The agents: what runs hooks, actions and commands in the machines."""
