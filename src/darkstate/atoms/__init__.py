"""From light, field and vapour to rates: species, effective light-induced rates, vapour cells, dipole coupling."""
