"""Coverage-guided tests of everything that reads what others wrote; `tools/fuzz.py` runs them, pytest their corpus."""
