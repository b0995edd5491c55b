"""Commands of ``schemagen`` about CRDs of any origin, one module each."""
