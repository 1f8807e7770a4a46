"""What can go wrong while infrastructure is brought up."""


class StackError(Exception):
    """Something of the stack could not be started, found or reached.

    ``code`` is stable and machine readable; ``zh`` and ``en`` say in one sentence each what is wrong and what to do.
    """

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{code}: {zh} · {en}")
        self.code = code
        self.zh = zh
        self.en = en
