//! Tables made of maps and lists of pairs, and maps made of tables.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
#[cfg(feature = "std")]
use std::collections::HashMap;

use super::{DecodeError, FieldTable, FieldValue, TableRef, ToValue};

impl TableRef<'_> {
    /// Copies the entries into a map. Of several with one name the first counts, as it does for
    /// [`get`](Self::get); what is not UTF-8 in a name is replaced by U+FFFD.
    ///
    /// ```
    /// use amqp_spec::field_table;
    ///
    /// let headers = field_table! { "level" => "warn", "attempts" => 3 }.to_map()?;
    /// assert_eq!(headers["level"], "warn");
    /// assert_eq!(headers["attempts"].as_u64(), Some(3));
    /// # Ok::<(), amqp_spec::wire::DecodeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// An entry is malformed. What is nested is not looked into.
    pub fn to_map(self) -> Result<BTreeMap<String, FieldValue>, DecodeError> {
        let mut map = BTreeMap::new();
        for entry in self.iter() {
            let (name, value) = entry?;
            let name = name.to_string_lossy().into_owned();
            map.entry(name).or_insert_with(|| value.to_owned());
        }
        Ok(map)
    }
}

impl FieldTable {
    /// Copies the entries into a map: see [`TableRef::to_map`].
    ///
    /// # Errors
    ///
    /// An entry is malformed, or its value did not fit when it was inserted.
    pub fn to_map(&self) -> Result<BTreeMap<String, FieldValue>, DecodeError> {
        self.as_ref().to_map()
    }
}

/// Each entry is [inserted](FieldTable::insert): of several with one name the last one counts.
impl<N: AsRef<[u8]>, V: ToValue> Extend<(N, V)> for FieldTable {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, entries: I) {
        for (name, value) in entries {
            self.insert(name, value);
        }
    }
}

impl<N: AsRef<[u8]>, V: ToValue> FromIterator<(N, V)> for FieldTable {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let mut table = Self::new();
        table.extend(entries);
        table
    }
}

macro_rules! table_from {
    ($([$($generics:tt)*] $type:ty),* $(,)?) => {$(
        /// In the order in which they come.
        impl<$($generics)*> From<$type> for FieldTable {
            fn from(entries: $type) -> Self {
                entries.into_iter().collect()
            }
        }
    )*};
}

table_from! {
    [N: AsRef<[u8]>, V: ToValue, const LEN: usize] [(N, V); LEN],
    [N: AsRef<[u8]>, V: ToValue] Vec<(N, V)>,
    [N: AsRef<[u8]>, V: ToValue] BTreeMap<N, V>,
    ['a, N: AsRef<[u8]>, V: ToValue] &'a BTreeMap<N, V>,
}

#[cfg(feature = "std")]
table_from! {
    [N: AsRef<[u8]>, V: ToValue, S] HashMap<N, V, S>,
    ['a, N: AsRef<[u8]>, V: ToValue, S] &'a HashMap<N, V, S>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field_table;

    #[test]
    fn maps_and_pairs_become_tables() {
        let expected = field_table! { "a" => 1, "b" => 2 };
        let map = BTreeMap::from([("b", 2), ("a", 1)]);
        assert_eq!(FieldTable::from(&map), expected);
        assert_eq!(FieldTable::from(map), expected);
        assert_eq!(FieldTable::from(Vec::from([("a", 1), ("b", 2)])), expected);
        assert_eq!(FieldTable::from([("a", 1), ("b", 2)]), expected);
        assert_eq!(FieldTable::from(&expected), expected);
        let owned = BTreeMap::from([(String::from("a"), FieldValue::from(1))]);
        assert_eq!(FieldTable::from(owned), field_table! { "a" => 1 });
    }

    #[cfg(feature = "std")]
    #[test]
    fn hash_maps_become_tables_in_their_own_order() {
        let map = HashMap::from([("b", 2), ("a", 1)]);
        for table in [FieldTable::from(&map), FieldTable::from(map)] {
            assert_eq!(table.len(), 2);
            assert_eq!(table.value("a"), Some(1.into()));
        }
    }

    #[test]
    fn tables_become_maps_and_are_the_same_again() {
        let table = field_table! { "a" => 1, "b" => field_table! { "c" => "deep" } };
        let map = table.to_map().unwrap();
        assert_eq!(
            map["b"].as_table().and_then(|b| b.value("c")),
            Some("deep".into())
        );
        assert_eq!(FieldTable::from(map), table);
    }

    #[test]
    fn maps_hold_the_first_of_a_name_and_no_malformed_entry() {
        let mut table = field_table! { "a" => 1 };
        table.push("a", 2);
        table.push(b"\xff", true);
        let map = table.to_map().unwrap();
        assert_eq!((map.len(), &map["a"]), (2, &FieldValue::from(1)));
        assert_eq!(map["\u{fffd}"], true);
        table.push("n", u64::MAX);
        assert!(table.to_map().is_err());
        assert_eq!((table.value("a"), table.value("n")), (Some(1.into()), None));
    }
}
