//! Who spoke: shared by flows, streams and parsers.

/// Which end of the flow spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dir {
    /// From the flow's initiator to its responder.
    Up,
    /// From the responder to the initiator.
    Down,
}

impl Dir {
    /// The other direction.
    #[must_use]
    pub fn flip(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }

    /// True for [`Dir::Up`].
    #[must_use]
    pub fn is_up(self) -> bool {
        self == Self::Up
    }
}

/// One value for each direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Both<T> {
    /// The initiator's.
    pub up: T,
    /// The responder's.
    pub down: T,
}

impl<T> Both<T> {
    /// The value of one direction.
    #[inline]
    #[must_use]
    pub fn of(&self, dir: Dir) -> &T {
        match dir {
            Dir::Up => &self.up,
            Dir::Down => &self.down,
        }
    }

    /// The value of one direction, to change.
    #[inline]
    #[must_use]
    pub fn of_mut(&mut self, dir: Dir) -> &mut T {
        match dir {
            Dir::Up => &mut self.up,
            Dir::Down => &mut self.down,
        }
    }
}
