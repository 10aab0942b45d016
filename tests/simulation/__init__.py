"""The recovery protocol in virtual time: real Masakari, this project's real code, model worlds."""
