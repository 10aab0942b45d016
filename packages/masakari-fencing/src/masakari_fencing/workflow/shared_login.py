"""One login of masakari-engine at Keystone, instead of one for each request to Nova.

Masakari makes a new client, and with it a new login, for every single request. Keystone's check
of a password costs a quarter of a second of processor on purpose, so the recovery of a host with
many instances would queue up in Keystone. keystoneauth1 renews a token by itself before it
expires, and when it is refused; all that is missing is that the logins are shared.

Masakari takes its kind of login from `[keystone_authtoken] auth_type`, which keystoneauth1 looks
up among the entry points `keystoneauth1.plugin`.
"""

from __future__ import annotations

from typing import Any

from keystoneauth1 import loading

_KIND = "password"


class SharedPassword(loading.BaseLoader):
    """Loads keystoneauth1's `password`, the same object for the same account."""

    _shared: dict[tuple[tuple[str, Any], ...], Any] = {}  # noqa: RUF012 - of all loaders

    @property
    def plugin_class(self) -> Any:
        """What is loaded."""
        return self._password().plugin_class

    def get_options(self) -> Any:
        """Return the options of `password`."""
        return self._password().get_options()

    def load_from_options(self, **kwargs: Any) -> Any:
        """Return the login of an account.

        Args:
            kwargs: the options of `password`, such as `auth_url`, `username` and `password`.

        Raises:
            keystoneauth1.exceptions.MissingRequiredOptions: `auth_url` is missing.
        """
        account = tuple(sorted(kwargs.items()))
        login = self._shared.get(account)
        if login is None:
            login = self._password().load_from_options(**kwargs)
            login = self._shared.setdefault(account, login)
        return login

    @staticmethod
    def _password() -> Any:
        return loading.get_plugin_loader(_KIND)
