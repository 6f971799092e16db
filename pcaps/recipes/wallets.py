"""Made-up wallets with correct checksums, where the coin has one.

Nobody holds the keys: the key material is a hash of the coin's name and a number, encoded by
`tests/builders_wallets.py`. They are constants here so that the samples need dpkt alone.
"""

MONERO = (
    "49MoZ49eGSRGUequDjFS8Q57xpm5GEusD1Yb77Qd8FeD12Goo7TF5D8Hbi2N"
    "eVrZ9x1fKF1ceuLqMf387CzwMPdoGRKW2pi"
)
MONERO_TUNNEL = (
    "4682kNjQZxhT1D3fKQvb4dBkpwwAcqgps3V1Ncgc1gGSPAfN5tMnQRrapFSg"
    "7vBmUxMRiif1vNmmoKS6HyJuGBxWPhEHaMt"
)
BITCOIN = "bc1qcnypsdh09wahjw7vsr90qx76tmqupevclucq82"
ZCASH = "t1gQ8qyYfSDTjkebD1mjELryqfFBk1s1HiV"
RAVENCOIN = "RHwAiKQCU11ws34WS5m2NNKKrNYeEC4cxf"
ETHEREUM = "0xEF4a167C5A70C4E77674e1aCDe2de3BD8118Be01"
KASPA = "kaspa:qzyaf4yyzlgxpe9npga6jyhav46m5ar7sfm0j5cspz7k28pcqudu5p5nxgcyd"
CONFLUX = "cfx:aakvz887v33wggx529f96p4amdr3hr42nj79a0j013"
PEARL = "prl1p6z3sryp25sahhwqxtmrjt0f8d367qy6rvdk5454qzjl7s8zllfdqzj4zfa"
XELIS = "xel:f984g05pr0p6t6thnwev5ucy74z38frav083jxra00yhw256h62qqjd8uye"
ERGO = "9fFy4UKmxGnYUd2ivRRE7uxcvZhLSDHSYeVS4dP8HWhYWNbYqgt"
ALEPHIUM = "15PjtwPGDyEs43VamDKY6U76zv9kL4tBwbFxjLm9TP4h2"
IRONFISH = "1f9493e2ec71119973c34a0979b26a430679db9f1da3a3b1840cdee219b8c585"
BEAM = "4a5b098f03d7314cccb2f0435455b002075f87d7e9d00cac7bbe5565f3e58a6f46"
WARTHOG = "c22fa9eeb8434c81ee2a706d7a7f6440551762e3f27e3652"
KADENA = "k:202ecc0f41ed8752da064c9c762bd2587308a0e7f6d27248fd1b5396b4bcfa7f"
