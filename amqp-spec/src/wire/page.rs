//! `Debug` of what may be long and comes from a peer: no longer than a page.

use core::fmt::{self, Write};

/// How many octets are shown of a table or an array with all that is nested in it.
const PAGE: usize = 4096;

/// Shows what fits a page.
pub(super) fn page(f: &mut fmt::Formatter<'_>, shown: &dyn fmt::Debug) -> fmt::Result {
    let is_alternate = f.alternate();
    let mut page = Page {
        f,
        left: PAGE - '…'.len_utf8(),
    };
    let result = if is_alternate {
        write!(page, "{shown:#?}")
    } else {
        write!(page, "{shown:?}")
    };
    match result {
        Err(fmt::Error) if page.left == 0 => f.write_char('…'),
        result => result,
    }
}

struct Page<'f, 'a> {
    f: &'f mut fmt::Formatter<'a>,
    left: usize,
}

impl Write for Page<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut end = self.left.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let fits = text.get(..end).unwrap_or_default();
        self.f.write_str(fits)?;
        if fits.len() < text.len() {
            self.left = 0;
            return Err(fmt::Error);
        }
        self.left -= fits.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;
    use crate::wire::{FieldTable, ShortStr, Value};

    #[test]
    fn tables_and_arrays_are_shown_up_to_a_page() {
        let eight_times = |value: Value<'_>| {
            let mut table = FieldTable::new();
            for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
                table.insert(ShortStr::literal(name), value);
            }
            table
        };
        let text = "é\u{7}".repeat(300);
        let inner = eight_times(text.as_str().into());
        let table = eight_times(Value::Table(inner.as_ref()));
        let whole = Value::Table(table.as_ref());
        for shown in [
            format!("{table:?}"),
            format!("{table:#?}"),
            format!("{whole:?}"),
        ] {
            assert!(shown.len() <= PAGE, "{}", shown.len());
            assert!(shown.ends_with('…'), "{shown}");
        }
        assert_eq!(format!("{:?}", FieldTable::new()), String::from("{}"));
    }
}
