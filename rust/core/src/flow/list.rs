//! Flows by how long they have been silent: lists inside the slots, no allocation.

/// No slot.
pub const NONE: u32 = u32::MAX;

/// A slot's place in its list.
#[derive(Debug, Clone, Copy)]
pub struct Links {
    before: u32,
    after: u32,
    /// Which list the slot is in.
    pub list: u8,
}

impl Default for Links {
    fn default() -> Self {
        Self { before: NONE, after: NONE, list: 0 }
    }
}

/// One list: the slot silent longest is at the head.
#[derive(Debug, Clone, Copy)]
pub struct List {
    head: u32,
    tail: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { head: NONE, tail: NONE }
    }
}

/// Gives access to the links of a slot.
pub trait Slots {
    /// The links of `slot`.
    fn links(&mut self, slot: u32) -> Option<&mut Links>;
}

impl List {
    /// The slot silent longest.
    #[must_use]
    pub fn head(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    /// True when `slot` is already the most recent.
    #[inline]
    #[must_use]
    pub fn ends_with(&self, slot: u32) -> bool {
        self.tail == slot
    }

    /// Appends `slot`.
    pub fn push(&mut self, slots: &mut impl Slots, slot: u32, list: u8) {
        let last = self.tail;
        if let Some(links) = slots.links(slot) {
            *links = Links { before: last, after: NONE, list };
        }
        match slots.links(last) {
            Some(links) if last != NONE => links.after = slot,
            _ => self.head = slot,
        }
        self.tail = slot;
    }

    /// Takes `slot` out.
    pub fn remove(&mut self, slots: &mut impl Slots, slot: u32) {
        let Some(&mut Links { before, after, .. }) = slots.links(slot) else { return };
        match slots.links(before) {
            Some(links) if before != NONE => links.after = after,
            _ => self.head = after,
        }
        match slots.links(after) {
            Some(links) if after != NONE => links.before = before,
            _ => self.tail = before,
        }
    }
}
