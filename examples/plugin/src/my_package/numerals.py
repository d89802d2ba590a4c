"""Roman numerals, which the task writes and the metric reads."""

VALUES = {"M": 1000, "CM": 900, "D": 500, "CD": 400, "C": 100, "XC": 90, "L": 50, "XL": 40, "X": 10, "IX": 9}
VALUES |= {"V": 5, "IV": 4, "I": 1}


def numeral(value: int) -> str:
    """1994 as MCMXCIV."""
    written = ""
    for letters, worth in VALUES.items():
        written += letters * (value // worth)
        value %= worth
    return written


def value_of(text: str) -> int:
    """MCMXCIV as 1994, and any other text as the numerals it begins with."""
    value = 0
    while text:
        letters = text[:2] if text[:2] in VALUES else text[:1]
        if letters not in VALUES:
            break
        value += VALUES[letters]
        text = text[len(letters) :]
    return value
