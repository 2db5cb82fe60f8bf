//! The read buffer: one piece of memory, used again and again.
//!
//! It starts small, so that idle connections cost little, doubles while reads fill it, and shrinks
//! again when it has been far too large for a while. Frames are parsed where they lie; messages are
//! copied out, so that nothing keeps it alive.

/// A connection that has never been busy needs no more.
const SMALLEST: usize = 4 * 1024;
/// Larger reads gain nothing, and fall out of the processor's cache.
const LARGEST: usize = 256 * 1024;
/// After this many reads that used less than a quarter of it, it is halved.
const PATIENCE: u32 = 16;

/// Invariant: `start ≤ end ≤ memory.len()`.
pub(crate) struct ReadBuffer {
    memory: Vec<u8>,
    start: usize,
    end: usize,
    small_reads: u32,
    largest: usize,
}

impl ReadBuffer {
    pub(crate) fn new() -> Self {
        Self::up_to(LARGEST)
    }

    /// One that does not grow beyond this because reads fill it.
    pub(crate) fn up_to(largest: usize) -> Self {
        Self {
            memory: Vec::new(),
            start: 0,
            end: 0,
            small_reads: 0,
            largest,
        }
    }

    /// Whether everything in it has been used.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Where the next read goes; never empty.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            if self.small_reads >= PATIENCE && self.memory.len() > SMALLEST {
                self.memory.truncate(self.memory.len() / 2);
                self.memory.shrink_to_fit();
                self.small_reads = 0;
            }
        }
        if self.memory.is_empty() {
            self.memory.resize(SMALLEST, 0);
        }
        // Part of a frame is left over: move it to the front while that is cheap, and make room for
        // the rest of it if it fills the whole buffer.
        if self.start > 0 && self.memory.len() - self.end < self.memory.len() / 2 {
            self.memory.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.memory.len() {
            self.grow();
        }
        self.memory.get_mut(self.end..).unwrap_or_default()
    }

    fn grow(&mut self) {
        self.memory.resize((self.memory.len() * 2).max(SMALLEST), 0);
    }

    /// `n` octets have been read into the space.
    pub(crate) fn filled(&mut self, n: usize) {
        let space = self.memory.len() - self.end;
        self.end += n.min(space);
        if n >= space && self.memory.len() < self.largest {
            self.grow();
            self.small_reads = 0;
        } else if n < self.memory.len() / 4 {
            self.small_reads = self.small_reads.saturating_add(1);
        } else {
            self.small_reads = 0;
        }
    }

    /// Gives memory back that is not in use.
    pub(crate) fn rest(&mut self) {
        if self.start == self.end {
            *self = Self::up_to(self.largest);
        }
    }

    /// Takes the memory out, to parse it while the core changes; give it back with the number of
    /// octets used.
    pub(crate) fn take(&mut self) -> (Vec<u8>, std::ops::Range<usize>) {
        (std::mem::take(&mut self.memory), self.start..self.end)
    }

    /// Gives the memory back.
    pub(crate) fn put_back(&mut self, memory: Vec<u8>, used: usize) {
        self.memory = memory;
        self.start = (self.start + used).min(self.end);
    }
}
