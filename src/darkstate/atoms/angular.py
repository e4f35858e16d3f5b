"""Coefficients of coupled angular momenta, exactly: Wigner's 3j and 6j symbols as Racah's sums over integers.

    <j1 m1; j2 m2|j m> = (-1)^(j1-j2+m) sqrt(2j+1) (j1 j2 j; m1 m2 -m)

The squares of all symbols are rational numbers, so nothing is rounded before the last square root. Phases after Condon
and Shortley. Source: A. R. Edmonds, Angular Momentum in Quantum Mechanics, Eqs. (3.6.11), (6.3.7).
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import factorial, sqrt


@cache
def three_j(j1: float, j2: float, j3: float, m1: float, m2: float, m3: float) -> float:
    """Wigner's 3j symbol (j1 j2 j3; m1 m2 m3); 0 where the triangle or m1 + m2 + m3 = 0 fails.

    Example:
        >>> round(three_j(1, 1, 0, 1, -1, 0) ** 2, 15)  # 1/3
        0.333333333333333
    """
    if m1 + m2 + m3 != 0 or not _triangle(j1, j2, j3) or abs(m1) > j1 or abs(m2) > j2 or abs(m3) > j3:
        return 0.0
    total = Fraction(0)
    for k in range(int(j1 + j2 - j3) + 1):
        parts = (k, j1 + j2 - j3 - k, j1 - m1 - k, j2 + m2 - k, j3 - j2 + m1 + k, j3 - j1 - m2 + k)
        if min(parts) >= 0:
            total += Fraction((-1) ** k, _product(parts))
    inside = Fraction(_product((j1 + j2 - j3, j1 - j2 + j3, -j1 + j2 + j3)), factorial(int(j1 + j2 + j3 + 1)))
    inside *= _product((j1 + m1, j1 - m1, j2 + m2, j2 - m2, j3 + m3, j3 - m3))
    return (-1) ** int(j1 - j2 - m3) * float(total) * sqrt(inside)


@cache
def six_j(j1: float, j2: float, j3: float, j4: float, j5: float, j6: float) -> float:
    """Wigner's 6j symbol {j1 j2 j3; j4 j5 j6}; 0 where one of its four triangles fails.

    Example:
        >>> round(six_j(1, 1, 1, 1, 1, 0), 15)  # -1/3
        -0.333333333333333
    """
    triads = ((j1, j2, j3), (j1, j5, j6), (j4, j2, j6), (j4, j5, j3))
    if not all(_triangle(*triad) for triad in triads):
        return 0.0
    total = Fraction(0)
    fours = (j1 + j2 + j4 + j5, j2 + j3 + j5 + j6, j3 + j1 + j6 + j4)
    for k in range(int(max(sum(t) for t in triads)), int(min(fours)) + 1):
        below = _product([k - sum(t) for t in triads] + [four - k for four in fours])
        total += Fraction((-1) ** k * factorial(k + 1), below)
    inside = Fraction(1)
    for a, b, c in triads:
        inside *= Fraction(_product((a + b - c, a - b + c, -a + b + c)), factorial(int(a + b + c + 1)))
    return float(total) * sqrt(inside)


def clebsch_gordan(j1: float, m1: float, j2: float, m2: float, j: float, m: float) -> float:
    """<j1 m1; j2 m2|j m>.

    Example:
        >>> clebsch_gordan(0.5, 0.5, 1, 1, 1.5, 1.5)
        1.0
    """
    return (-1) ** int(j1 - j2 + m) * sqrt(2 * j + 1) * three_j(j1, j2, j, m1, m2, -m)


def _triangle(a: float, b: float, c: float) -> bool:
    return abs(a - b) <= c <= a + b and (a + b + c) % 1 == 0


def _product(numbers: tuple[float, ...] | list[float]) -> int:
    """Product of the factorials of whole numbers."""
    result = 1
    for n in numbers:
        result *= factorial(int(n))
    return result
