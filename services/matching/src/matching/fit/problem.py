"""Why no model was written: a stable code, Chinese and English."""


class FitError(Exception):
    """Something that a person has to put right, or that cannot be had from these data."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        self.code, self.zh, self.en = code, zh, en
        super().__init__(f"{code}: {zh} / {en}")
