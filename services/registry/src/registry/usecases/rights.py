"""Who may do what with whose records. A record that a caller may not even see is answered as if it were not there."""

from qianqiao_chassis.errors import Forbidden, NotFound

from registry.domain.lifecycle import Actor
from registry.domain.listing import Listing, Sight


def acts_for(by: Actor, party: str) -> bool:
    """Tell whether the actor may act for the party: its own, or any for an operator."""
    return by.operator or by.party == party


def require_party(by: Actor, party: str) -> None:
    """Raise Forbidden (code `not-your-party`) unless the actor may act for the party."""
    if not acts_for(by, party):
        raise Forbidden(
            "not-your-party",
            "只能查看和修改本单位的内容。",
            "You may see and change only what belongs to your own party.",
        )


def require_owner(by: Actor, listing: Listing) -> None:
    """Raise Forbidden (`not-your-party`), or NotFound where the actor may not know that the listing exists."""
    if any(acts_for(by, owner) for owner in listing.owners):
        return
    if listing.sight_of(by.party, operator=by.operator) is Sight.NOTHING:
        raise not_there(listing.id)
    require_party(by, listing.owners[0])


def not_there(id_: str) -> NotFound:
    """The answer for what is not there, or not for this caller."""
    return NotFound("not-found", f"没有找到：{id_}。", f"There is no {id_}.", extra={"subject": id_})
