//! [`Dialects`]: which members of the stratum family a message may belong to.

use std::ops::{BitAnd, BitOr};

/// A set of dialects. Many messages fit several; later ones narrow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Dialects(u32);

macro_rules! dialects {
    ($($bit:literal $constant:ident $name:literal $doc:literal;)*) => {
        impl Dialects {
            $(#[doc = $doc] pub const $constant: Self = Self(1 << $bit);)*
            /// Every dialect.
            pub const ALL: Self = Self(0 $(| 1 << $bit)*);
        }

        /// Names in the order of the bits.
        const NAMES: &[(Dialects, &str)] = &[$((Dialects::$constant, $name)),*];
    };
}

dialects! {
    0 STRATUM_V1 "stratum_v1" "Bitcoin-like stratum with BIP 310 extensions.";
    1 ETHEREUMSTRATUM_V1 "ethereumstratum_v1" "NiceHash EthereumStratum/1.0.0.";
    2 ETHEREUMSTRATUM_V2 "ethereumstratum_v2" "EIP-1571 EthereumStratum/2.0.0.";
    3 ETH_PROXY "eth_proxy" "Ethereum getwork over TCP lines.";
    4 CRYPTONOTE "cryptonote" "Monero and its relatives.";
    5 EQUIHASH "equihash" "Zcash and its relatives.";
    6 GRIN "grin" "Grin.";
    7 BEAM "beam" "Beam.";
    8 KAWPOW "kawpow" "Ravencoin.";
    9 KASPA "kaspa" "Kaspa.";
    10 ERGO "ergo" "Ergo Autolykos2.";
    11 ALEPHIUM "alephium" "AlephiumStratum/1.0.0.";
    12 CONFLUX "conflux" "Conflux Octopus.";
    13 IRONFISH "ironfish" "IronFish.";
    14 XELIS "xelis" "Xelis stratum.";
    15 XATUM "xatum" "Xelis Xatum.";
    16 PEARL "pearl" "PEARL, named parameters.";
    17 GETWORK "getwork" "Bitcoin getwork.";
    18 GETBLOCKTEMPLATE "getblocktemplate" "Bitcoin getblocktemplate (BIP 22).";
    19 BROWSER "browser" "Coinhive family over WebSocket.";
    20 STRATUM_V2 "stratum_v2" "Stratum V2; recognised elsewhere, binary.";
}

impl Dialects {
    /// No dialect.
    pub const NONE: Self = Self(0);

    /// Those that open with `mining.subscribe` and `mining.authorize` in arrays.
    pub const ARRAY_FAMILY: Self = Self(
        Self::STRATUM_V1.0
            | Self::ETHEREUMSTRATUM_V1.0
            | Self::EQUIHASH.0
            | Self::KAWPOW.0
            | Self::KASPA.0
            | Self::ERGO.0
            | Self::ALEPHIUM.0
            | Self::CONFLUX.0
            | Self::XELIS.0,
    );

    /// Everything whose methods start with `mining.`.
    pub const MINING_FAMILY: Self =
        Self(Self::ARRAY_FAMILY.0 | Self::ETHEREUMSTRATUM_V2.0 | Self::IRONFISH.0 | Self::PEARL.0);

    /// True if no dialect is in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if all of `other` are in the set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set without `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// `self` if `condition` holds, else nothing.
    #[must_use]
    pub fn when(self, condition: bool) -> Self {
        if condition { self } else { Self::NONE }
    }

    /// The names, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().filter(move |(dialect, _)| self.contains(*dialect)).map(|(_, name)| *name)
    }
}

impl BitOr for Dialects {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Dialects {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_lists_its_names_in_order() {
        let set = Dialects::PEARL | Dialects::STRATUM_V1;

        assert_eq!(set.names().collect::<Vec<_>>(), ["stratum_v1", "pearl"]);
        assert_eq!(Dialects::ALL.names().count(), 21);
    }

    #[test]
    fn narrowing_keeps_what_both_allow() {
        let open = Dialects::ARRAY_FAMILY;

        let narrowed = open & (Dialects::KASPA | Dialects::PEARL);

        assert_eq!(narrowed, Dialects::KASPA);
        assert!(open.without(open).is_empty());
    }
}
