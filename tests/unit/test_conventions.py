"""Conventions are data: what is squeezed follows from the signs, and every frame keeps [Jy, Jz] = i Jx."""

import pytest

from darkstate.conventions import SIGNS_OF_ENSEMBLE_II, SQUEEZED, to_ours


@pytest.mark.parametrize("paper", SIGNS_OF_ENSEMBLE_II)
def test_every_frame_is_a_rotation(paper):
    """The signs multiply to +1: a reflection would break the commutators."""
    x, y, z = SIGNS_OF_ENSEMBLE_II[paper]
    assert x * y * z == 1
    assert to_ours(to_ours((0.3, -0.5, 0.7), paper), paper) == (0.3, -0.5, 0.7)


@pytest.mark.parametrize("paper", SIGNS_OF_ENSEMBLE_II)
def test_the_squeezed_pair_is_one_observable_in_every_frame(paper):
    """Ours: Jy_I + Jy_II, Jz_I - Jz_II; the paper's combination written out with its signs is the same (001 Eq. 3)."""
    _, y, z = SIGNS_OF_ENSEMBLE_II[paper]
    for sign, ours, text in ((y, +1, SQUEEZED[paper][0]), (z, -1, SQUEEZED[paper][1])):
        written = +1 if " + " in text else -1
        assert written * sign == ours


@pytest.mark.parametrize(("paper", "down"), [("001", 4.0), ("002", -4.0), ("000", -4.0)])
def test_both_ensembles_point_along_their_field_in_ours(paper, down):
    """002: the cells are polarised oppositely in one frame; 001 gives each its own."""
    assert to_ours((down, 0.0, 0.0), paper) == (4.0, 0.0, 0.0)


def test_names_of_papers_are_checked():
    with pytest.raises(KeyError):
        to_ours((1.0, 0.0, 0.0), "999")
