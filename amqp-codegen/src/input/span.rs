//! Where in the input something stands.

/// A range of bytes in one of the inputs.
///
/// Orders by file, then by place.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Span {
    file: u32,
    start: u32,
    end: u32,
}

impl Span {
    /// The bytes `start..end` of input number `file`. Inputs are smaller than 4 GiB by
    /// [`super::MAX_LEN`], so that nothing is cut off here.
    pub(crate) fn new(file: usize, start: usize, end: usize) -> Self {
        let narrow = |wide: usize| u32::try_from(wide).unwrap_or(u32::MAX);
        Self {
            file: narrow(file),
            start: narrow(start),
            end: narrow(end),
        }
    }

    /// The number of the input.
    pub(crate) fn file(self) -> usize {
        self.file as usize
    }

    /// The first byte.
    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    /// The byte behind the last one.
    pub(crate) fn end(self) -> usize {
        self.end as usize
    }
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Spanned<T> {
    /// The value.
    pub(crate) value: T,
    /// Its place.
    pub(crate) span: Span,
}

impl<T> Spanned<T> {
    /// A value with its place.
    pub(crate) fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}
