"""Who is asking."""

from qianqiao_chassis.errors import Forbidden
from qianqiao_chassis.http import Caller


def own_party(caller: Caller) -> str:
    """Return the party a caller acts for. Raises Forbidden (`no-party`)."""
    if caller.party is None:
        raise Forbidden("no-party", "您的令牌未指明所代表的单位。", "Your token does not say which party you act for.")
    return caller.party
