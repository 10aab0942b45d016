"""The query language of `juju wait-for`.

name=="keystone" && (status=="active" || status=="idle")
forEach(units, unit => unit.workload-status == "active") && len(units) >= 3
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>\d+(?:\.\d+)?)(?![\w-])
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<name>[A-Za-z_](?:[\w/]|-(?=\w))*)
      | (?P<sign>=>|==|!=|<=|>=|&&|\|\||[<>()\[\],.!])
    )""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}

Scope = dict[str, Any]
Node = Callable[[Scope], Any]


class QueryError(Exception):
    """A query that cannot be understood, or that names something that is not there."""


def compile_query(text: str) -> Callable[[Scope], bool]:
    """Return a function that tells whether a thing satisfies a query.

    Args:
        text: The query.

    Raises:
        QueryError: It is malformed.
    """
    node = _Parser(text).parse()
    return lambda scope: bool(node(scope))


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match:
            raise QueryError(f"syntax error at {text[place:]!r}")
        place = match.end()
        kind = match.lastgroup or ""
        tokens.append((kind, match[kind]))
    return [*tokens, ("end", "")]


class _Parser:
    """Recursive descent; every method returns a function of the scope."""

    def __init__(self, text: str) -> None:
        self._rest = _tokens(text)

    def parse(self) -> Node:
        node = self._or()
        if self._rest[0][0] != "end":
            raise QueryError(f"unexpected {self._rest[0][1]!r}")
        return node

    def _accept(self, sign: str) -> bool:
        if self._rest[0] == ("sign", sign):
            self._rest.pop(0)
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise QueryError(f"expected {sign!r} instead of {self._rest[0][1]!r}")

    def _or(self) -> Node:
        node = self._and()
        while self._accept("||"):
            node = _either(node, self._and())
        return node

    def _and(self) -> Node:
        node = self._comparison()
        while self._accept("&&"):
            node = _both(node, self._comparison())
        return node

    def _comparison(self) -> Node:
        left = self._unary()
        kind, sign = self._rest[0]
        if kind == "sign" and sign in _COMPARE:
            self._rest.pop(0)
            return _compared(sign, left, self._unary())
        return left

    def _unary(self) -> Node:
        if self._accept("!"):
            inner = self._unary()
            return lambda scope: not inner(scope)
        return self._postfix(self._primary())

    def _primary(self) -> Node:
        kind, word = self._rest.pop(0)
        if (kind, word) == ("sign", "("):
            node = self._or()
            self._expect(")")
            return node
        if kind == "string":
            value = re.sub(r"\\(.)", r"\1", word[1:-1])
            return lambda scope: value
        if kind == "number":
            number = float(word) if "." in word else int(word)
            return lambda scope: number
        if kind != "name":
            raise QueryError(f"unexpected {word or 'end of query'!r}")
        if word in ("true", "false"):
            return lambda scope: word == "true"
        if self._accept("("):
            return self._function(word)
        return lambda scope: _member(scope, word)

    def _postfix(self, node: Node) -> Node:
        while True:
            if self._accept("."):
                kind, word = self._rest.pop(0)
                if kind != "name":
                    raise QueryError(f"expected a name instead of {word!r}")
                node = _attribute(node, word)
            elif self._accept("["):
                key = self._or()
                self._expect("]")
                node = _indexed(node, key)
            else:
                return node

    def _function(self, name: str) -> Node:
        if name not in _FUNCTIONS and name != "forEach":
            raise QueryError(f"unknown function {name!r}")
        arguments = [self._or()]
        if name == "forEach":
            self._expect(",")
            kind, variable = self._rest.pop(0)
            if kind != "name":
                raise QueryError("forEach needs a name for each thing")
            self._expect("=>")
            body = self._or()
            self._expect(")")
            return _for_each(arguments[0], variable, body)
        while self._accept(","):
            arguments.append(self._or())
        self._expect(")")
        function, count = _FUNCTIONS[name]
        if len(arguments) != count:
            raise QueryError(f"{name} takes {count} argument(s)")
        return lambda scope: function(*(argument(scope) for argument in arguments))


_FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "len": (len, 1),
    "startsWith": (lambda text, start: str(text).startswith(start), 2),
    "endsWith": (lambda text, end: str(text).endswith(end), 2),
    "int": (int, 1),
    "string": (str, 1),
    "print": (lambda value: value, 1),
}


def _member(thing: Any, name: str) -> Any:
    if not isinstance(thing, dict) or name not in thing:
        known = ", ".join(sorted(thing)) if isinstance(thing, dict) else "nothing"
        raise QueryError(f"{name!r} is not there; there is: {known}")
    return thing[name]


def _attribute(node: Node, name: str) -> Node:
    return lambda scope: _member(node(scope), name)


def _indexed(node: Node, key: Node) -> Node:
    return lambda scope: _member(node(scope), str(key(scope)))


def _either(left: Node, right: Node) -> Node:
    return lambda scope: bool(left(scope)) or bool(right(scope))


def _both(left: Node, right: Node) -> Node:
    return lambda scope: bool(left(scope)) and bool(right(scope))


def _compared(sign: str, left: Node, right: Node) -> Node:
    def compare(scope: Scope) -> bool:
        first, second = left(scope), right(scope)
        try:
            return _COMPARE[sign](first, second)
        except TypeError:
            raise QueryError(f"cannot compare {first!r} {sign} {second!r}") from None

    return compare


def _for_each(things: Node, variable: str, body: Node) -> Node:
    def every(scope: Scope) -> bool:
        found = things(scope)
        values = found.values() if isinstance(found, dict) else found
        return all(body({**scope, variable: value}) for value in values)

    return every
