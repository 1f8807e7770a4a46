"""What callers are told while there is no index to ask."""

from qianqiao_chassis.errors import StoreUnavailable, Unavailable


class IndexBeingRebuilt(StoreUnavailable):
    """There is no index that could be read yet: it is being opened or built.

    Taken like an absent store: the consumer waits and gives the same event again, timers come back, and callers get a
    503. Proposing on without an index would find nothing and take back what is proposed.
    """

    def __init__(self, detail: str = "") -> None:
        Unavailable.__init__(
            self,
            "index-being-rebuilt",
            "匹配索引正在重建，请稍后再试。",
            "The matching index is being rebuilt; please try again in a moment.",
        )
        self.detail = detail
