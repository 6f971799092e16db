"""How each synthetic sample is made; `pcaps/build.py` runs these recipes."""
