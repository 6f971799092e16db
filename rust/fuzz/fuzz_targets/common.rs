//! Feeds a parser both directions in pieces, with gaps.

use outgate_core::proto::{At, Dir, Events, Parser, Step};

/// Direction, gap before it, bytes.
pub type Piece = (bool, u16, Vec<u8>);

/// Gives `parser` the pieces until it wants no more.
pub fn feed(parser: &mut dyn Parser, pieces: &[Piece]) {
    let mut out = Events::new();
    for (number, (up, gap, bytes)) in (1..).zip(pieces) {
        let dir = if *up { Dir::Up } else { Dir::Down };
        let at = At { frame: number, ts: 0, dir };
        if *gap > 0x8000 && parser.gap(at, u64::from(*gap), &mut out) != Step::More {
            break;
        }
        if parser.data(at, bytes, &mut out) != Step::More {
            break;
        }
    }
    parser.finish(&mut out);
}
