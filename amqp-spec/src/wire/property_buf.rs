//! Content properties that are put together to be sent.

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use super::property_list::{CONTINUED, PER_WORD, flag_bit, word_offset};
use super::{LongStr, PropertyKind, PropertyList, ShortStr, TableRef, Timestamp};

/// A list of properties, owned and always encoded: flag words and values.
///
/// Setting properties in the order of the specification appends to the list; setting them in
/// another order moves what is behind. Setting one again replaces it. All calls for one list take
/// the same `kinds`, those of the class; a call for an `index` or a type that these do not have
/// changes nothing. The generated types take care of both.
#[derive(Clone, Default)]
pub struct PropertyBuf(
    /// Empty as long as nothing was set.
    Vec<u8>,
);

impl PropertyBuf {
    /// A list without properties. Does not allocate.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Copies a list.
    pub fn from_list(list: PropertyList<'_>) -> Self {
        Self(list.as_bytes().into())
    }

    /// Borrows it.
    #[inline]
    pub fn as_list(&self) -> PropertyList<'_> {
        PropertyList::from_checked(self.as_bytes())
    }

    /// The encoded list.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        if self.0.is_empty() {
            PropertyList::EMPTY.as_bytes()
        } else {
            &self.0
        }
    }

    /// Sets or clears a property of type `bit`.
    pub fn set_flag(&mut self, kinds: &'static [PropertyKind], index: usize, value: bool) {
        if value {
            self.set(kinds, index, PropertyKind::Bit, |_| {});
        } else {
            self.remove(kinds, index);
        }
    }

    /// Sets the property at `index`.
    #[inline]
    pub fn set_octet(&mut self, kinds: &'static [PropertyKind], index: usize, value: u8) {
        self.set_number(kinds, index, PropertyKind::Octet, [value]);
    }

    /// Sets the property at `index`.
    #[inline]
    pub fn set_short(&mut self, kinds: &'static [PropertyKind], index: usize, value: u16) {
        self.set_number(kinds, index, PropertyKind::Short, value.to_be_bytes());
    }

    /// Sets the property at `index`.
    #[inline]
    pub fn set_long(&mut self, kinds: &'static [PropertyKind], index: usize, value: u32) {
        self.set_number(kinds, index, PropertyKind::Long, value.to_be_bytes());
    }

    /// Sets the property at `index`.
    #[inline]
    pub fn set_long_long(&mut self, kinds: &'static [PropertyKind], index: usize, value: u64) {
        self.set_number(kinds, index, PropertyKind::LongLong, value.to_be_bytes());
    }

    /// Sets the property at `index`.
    #[inline]
    pub fn set_short_str(
        &mut self,
        kinds: &'static [PropertyKind],
        index: usize,
        value: ShortStr<'_>,
    ) {
        self.set(kinds, index, PropertyKind::ShortStr, |buf| {
            value.encode(buf);
        });
    }

    /// Sets the property at `index`.
    #[inline]
    pub fn set_long_str(
        &mut self,
        kinds: &'static [PropertyKind],
        index: usize,
        value: LongStr<'_>,
    ) {
        self.set(kinds, index, PropertyKind::LongStr, |buf| value.encode(buf));
    }

    /// Sets the property at `index`.
    #[inline]
    pub fn set_timestamp(
        &mut self,
        kinds: &'static [PropertyKind],
        index: usize,
        value: Timestamp,
    ) {
        self.set(kinds, index, PropertyKind::Timestamp, |buf| {
            value.encode(buf);
        });
    }

    /// Sets the property at `index`.
    #[inline]
    pub fn set_table(&mut self, kinds: &'static [PropertyKind], index: usize, value: TableRef<'_>) {
        self.set(kinds, index, PropertyKind::Table, |buf| value.encode(buf));
    }

    /// Removes the property at `index`, if it is there.
    pub fn remove(&mut self, kinds: &'static [PropertyKind], index: usize) {
        if kinds.get(index).is_none() || !self.as_list().flag(index) {
            return;
        }
        let len = self.0.len();
        let start = len - self.as_list().values_from(kinds, index).len();
        let end = len - self.as_list().values_from(kinds, index + 1).len();
        self.0.drain(start..end);
        self.update_word(index, |word| word & !flag_bit(index));
    }

    #[inline]
    fn set_number<const N: usize>(
        &mut self,
        kinds: &'static [PropertyKind],
        index: usize,
        kind: PropertyKind,
        octets: [u8; N],
    ) {
        self.set(kinds, index, kind, |buf| buf.extend_from_slice(&octets));
    }

    #[inline]
    fn set(
        &mut self,
        kinds: &'static [PropertyKind],
        index: usize,
        kind: PropertyKind,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        if kinds.get(index) != Some(&kind) {
            return;
        }
        if self.0.is_empty() {
            self.start();
        }
        if let Some(word) = self.word_if_last(index) {
            encode(&mut self.0);
            self.write_word(0, word | flag_bit(index));
        } else {
            self.insert(kinds, index, encode);
        }
    }

    /// Begins a list that is not empty.
    #[cold]
    fn start(&mut self) {
        // Enough for six properties of the usual kind, so that these allocate once.
        self.0.reserve(160);
        self.0.extend_from_slice(PropertyList::EMPTY.as_bytes());
    }

    /// The flag word, if there is but one and neither the property at `index` nor any behind it is
    /// set: its value belongs at the end.
    #[inline]
    fn word_if_last(&self, index: usize) -> Option<u16> {
        let word = u16::from_be_bytes(*self.0.first_chunk()?);
        (index < PER_WORD && word & (u16::MAX >> index) == 0).then_some(word)
    }

    /// Sets a property whose value may belong in the middle, or is there already.
    fn insert(
        &mut self,
        kinds: &'static [PropertyKind],
        index: usize,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        self.remove(kinds, index);
        self.make_word(index);
        let n_behind = self.as_list().values_from(kinds, index).len();
        let len = self.0.len();
        encode(&mut self.0);
        // The value was appended; now it changes places with the values that belong behind it.
        let n_added = self.0.len() - len;
        if let Some(tail) = self.0.get_mut(len - n_behind..) {
            tail.rotate_right(n_added);
        }
        self.update_word(index, |word| word | flag_bit(index));
    }

    /// Makes the flag words up to the one that holds the flag of the property at `index`.
    fn make_word(&mut self, index: usize) {
        for offset in (0..word_offset(index)).step_by(2) {
            let word = self
                .0
                .get(offset..)
                .and_then(|rest| rest.first_chunk())
                .copied();
            let word = u16::from_be_bytes(word.unwrap_or_default());
            if word & CONTINUED == 0 {
                self.write_word(offset, word | CONTINUED);
                self.0.splice(offset + 2..offset + 2, [0, 0]);
            }
        }
    }

    fn update_word(&mut self, index: usize, update: impl FnOnce(u16) -> u16) {
        let offset = word_offset(index);
        let word = self
            .0
            .get(offset..)
            .and_then(|rest| rest.first_chunk())
            .copied();
        self.write_word(offset, update(u16::from_be_bytes(word.unwrap_or_default())));
    }

    fn write_word(&mut self, offset: usize, word: u16) {
        if let Some(octets) = self
            .0
            .get_mut(offset..)
            .and_then(|rest| rest.first_chunk_mut())
        {
            *octets = word.to_be_bytes();
        }
    }
}

impl Eq for PropertyBuf {}

impl PartialEq for PropertyBuf {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Hash for PropertyBuf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for PropertyBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_list().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn kinds() -> [PropertyKind; 33] {
        let mut kinds = [PropertyKind::Octet; 33];
        kinds[1] = PropertyKind::Bit;
        kinds[16] = PropertyKind::ShortStr;
        kinds
    }
    const KINDS: &[PropertyKind] = &kinds();

    #[test]
    fn flag_words_are_added_as_needed() {
        let mut list = PropertyBuf::new();
        list.set_octet(KINDS, 32, 7);
        assert_eq!(list.as_bytes(), [0x00, 0x01, 0x00, 0x01, 0x20, 0x00, 7]);
        list.set_short_str(KINDS, 16, ShortStr::literal("ab"));
        list.set_octet(KINDS, 0, 9);
        list.set_flag(KINDS, 1, true);
        assert_eq!(
            list.as_bytes(),
            [0xc0, 0x01, 0x40, 0x01, 0x20, 0x00, 9, 2, b'a', b'b', 7]
        );
        let read = PropertyList::decode(list.as_bytes(), KINDS, "x").unwrap();
        assert_eq!(read.octet(KINDS, 0), Some(9));
        assert!(read.flag(1) && !read.flag(2));
        assert_eq!(read.short_str(KINDS, 16), Some(ShortStr::literal("ab")));
        assert_eq!(read.octet(KINDS, 32), Some(7));
        assert_eq!(read.octet(KINDS, 31), None);
        // The wrong type is nothing.
        assert_eq!(read.short(KINDS, 32), None);
    }

    #[test]
    fn setting_again_replaces_and_removing_removes() {
        let mut list = PropertyBuf::new();
        list.set_octet(KINDS, 3, 1);
        list.set_short_str(KINDS, 16, ShortStr::literal("long"));
        list.set_short_str(KINDS, 16, ShortStr::literal("x"));
        list.set_octet(KINDS, 3, 2);
        assert_eq!(list.as_bytes(), [0x10, 0x01, 0x40, 0x00, 2, 1, b'x']);
        list.remove(KINDS, 16);
        list.remove(KINDS, 3);
        list.remove(KINDS, 4);
        assert_eq!(list.as_bytes(), [0, 1, 0, 0]);
    }

    #[test]
    fn empty_list_does_not_depend_on_its_history() {
        let mut list = PropertyBuf::new();
        list.set_octet(KINDS, 3, 1);
        list.remove(KINDS, 3);
        assert_eq!(list, PropertyBuf::new());
        assert_eq!(list.as_bytes(), [0, 0]);
    }

    #[test]
    fn wrong_type_or_index_changes_nothing() {
        let mut list = PropertyBuf::new();
        list.set_long(KINDS, 3, 1);
        list.set_octet(KINDS, 33, 1);
        list.remove(KINDS, 33);
        assert_eq!(list.as_bytes(), [0, 0]);
    }

    #[test]
    fn unknown_flags_survive_a_change() {
        let kinds: &[PropertyKind] = &[PropertyKind::Octet; 2];
        let read = PropertyList::decode(&[0x40, 0x02, 5], kinds, "x").unwrap();
        let mut list = PropertyBuf::from_list(read);
        list.set_octet(kinds, 0, 4);
        assert_eq!(list.as_bytes(), [0xc0, 0x02, 4, 5]);
    }
}
