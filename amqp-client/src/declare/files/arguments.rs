//! Arguments that have a key of their own, and all others.

use std::time::Duration;

use amqp_spec::wire::{FieldTable, FieldValue, Value};

use crate::declare::Arguments;
use crate::settings::{Entry, Fault, time};
use crate::text;

/// The key that all other arguments stand below.
pub(super) const OTHERS: &str = "arguments";

/// An argument with a key of its own.
pub(super) struct Argument {
    pub(super) key: &'static str,
    /// Its name on the wire.
    pub(super) name: &'static str,
    pub(super) form: Form,
}

/// What an argument is in a file, and on the wire.
pub(super) enum Form {
    Text,
    /// One of these.
    Word(&'static [&'static str]),
    /// A time, in milliseconds on the wire.
    Millis,
    /// A time, in seconds and as text on the wire.
    Age,
    /// A number of 64 bits.
    Count,
    /// A number up to 2³² - 1, of 64 bits on the wire.
    Small,
    /// A number up to 255, of 32 bits on the wire.
    Octet,
    /// True, or left out.
    Flag,
    /// True for this word, or left out.
    Is(&'static str),
}

impl Argument {
    pub(super) const fn new(key: &'static str, name: &'static str, form: Form) -> Self {
        Self { key, name, form }
    }

    /// Sets what the entry says.
    pub(super) fn read(&self, entry: &Entry<'_>, arguments: &mut Arguments) -> Result<(), Fault> {
        refuse_if_set(arguments, self.name, entry)?;
        match self.form {
            Form::Text => arguments.set(self.name, entry.text()?),
            Form::Word(words) => {
                let words: Vec<_> = words.iter().map(|word| (*word, *word)).collect();
                arguments.set(self.name, entry.word(&words)?);
            }
            Form::Millis => arguments.set_millis(self.name, entry.whole_millis()?),
            Form::Age => arguments.set_age(self.name, entry.whole_seconds()?),
            Form::Count => arguments.set(self.name, entry.number::<u64>()?),
            Form::Small => arguments.set(self.name, i64::from(entry.number::<u32>()?)),
            Form::Octet => arguments.set(self.name, i32::from(entry.number::<u8>()?)),
            Form::Flag if entry.boolean()? => arguments.set(self.name, true),
            Form::Is(word) if entry.boolean()? => arguments.set(self.name, word),
            Form::Flag | Form::Is(_) => {}
        }
        Ok(())
    }

    /// What a file says for this value, unless it can only be said among the other arguments.
    fn write(&self, value: Value<'_>) -> Option<FieldValue> {
        let text = value.as_str();
        let number = || value.as_i64().and_then(|number| u64::try_from(number).ok());
        match self.form {
            Form::Text | Form::Word(_) => text.map(FieldValue::from),
            Form::Millis => Some(time::write(Duration::from_millis(number()?)).into()),
            Form::Age => {
                let seconds = text?.strip_suffix('s')?.parse().ok()?;
                Some(time::write(Duration::from_secs(seconds)).into())
            }
            Form::Count | Form::Small | Form::Octet => value.as_i64().map(FieldValue::from),
            Form::Flag => value.as_bool().map(FieldValue::from),
            Form::Is(word) => (text == Some(word)).then(|| true.into()),
        }
    }

    /// Whether the same argument is made of it when it is read.
    fn is_read_as(&self, written: &FieldValue, value: Value<'_>) -> bool {
        let mut arguments = Arguments::default();
        let read = self.read(&Entry::of(self.key, written), &mut arguments);
        read.is_ok() && arguments.value(self.name) == Some(value)
    }
}

/// A key and the argument of the same meaning say one thing.
pub(super) fn refuse_if_set(
    arguments: &Arguments,
    name: &str,
    entry: &Entry<'_>,
) -> Result<(), Fault> {
    match arguments.has(name) {
        true => {
            let name = text::name(name);
            Err(entry.fault(format!("sets {name}, which another key sets as well")))
        }
        false => Ok(()),
    }
}

/// Sets the arguments that stand below [`OTHERS`].
pub(super) fn read_others(entry: &Entry<'_>, arguments: &mut Arguments) -> Result<(), Fault> {
    for entry in entry.entries()? {
        refuse_if_set(arguments, entry.name(), &entry)?;
        arguments.set(entry.name(), entry.value());
    }
    Ok(())
}

/// Writes all arguments: those with a key of their own, and the others below theirs.
pub(super) fn write(arguments: &Arguments, known: &[Argument], file: &mut FieldTable) {
    let mut others = FieldTable::new();
    for (name, value) in arguments.entries() {
        let own = known.iter().find(|argument| name == argument.name);
        let written = own.and_then(|own| {
            let written = own.write(value)?;
            own.is_read_as(&written, value)
                .then_some((own.key, written))
        });
        match written {
            Some((key, written)) => file.insert(key, written),
            None => others.insert(name, value),
        }
    }
    if !others.is_empty() {
        file.insert(OTHERS, others);
    }
}
