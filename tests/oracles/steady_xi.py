"""xi of the steady state of two equal ensembles, for NumPy arrays; derived by hand, shares no code with darkstate.

two levels (001 Eqs. (13), (15)): Gc = (1+x) mu^2, Gh = nu^2, Gt = Gc + Gh + 2 (Gc + Gh) + Gd_add in units of Gamma,
    P = (Gc - Gh)/(Gc + Gh),  xi = (1/P) [Gt + d P^2/Z^2]/(Gt + d P)
three levels, single-atom rates cool, heat, out (both to |h>), back (from |h> to each), atoms N_up + N_dn + N_h = 1:
    0 = dN_up/dt = -(heat + out) N_up + cool N_dn + back N_h,   0 = dN_h/dt = out (N_up + N_dn) - 2 back N_h
    Sigma = N2 [Gt + dG N2 (P/Z)^2]/(Gt + dG N2 P),  xi = (8 Sigma + 14 N_dn)/(N2 (P + 7))         002 (S.3), corrected
"""


def two_levels(*, d, z, x=0.0, gamma_d_add=0.0):
    mu, nu = (z + 1 / z) / 2, (z - 1 / z) / 2
    cool, heat = (1 + x) * mu**2, nu**2
    total = 3 * (cool + heat) + gamma_d_add
    p = (cool - heat) / (cool + heat)
    return (total + d * p**2 / z**2) / (total + d * p) / p


def three_levels(*, d, z, gamma, gamma_tilde, loss, collisions):
    """Caesium cells without pump; collisions move atoms between any two levels at one rate."""
    mu, nu = (z + 1 / z) / 2, (z - 1 / z) / 2
    cool, heat, out, back = mu**2 * gamma + collisions, nu**2 * gamma + collisions, loss + collisions, collisions
    h = out / (out + 2 * back)  # from dN_h/dt, N_up + N_dn = 1 - N_h
    up = (cool * (1 - h) + back * h) / (cool + heat + out)  # from dN_up/dt
    dn = 1 - h - up
    n2, p = up + dn, (up - dn) / (up + dn)
    sigma = n2 * (gamma_tilde + d * gamma * n2 * (p / z) ** 2) / (gamma_tilde + d * gamma * n2 * p)
    return (8 * sigma + 14 * dn) / (n2 * (p + 7))
