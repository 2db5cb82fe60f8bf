//! No public method is hidden by one of an extension trait.
//!
//! Methods are looked for by value first: with `futures::StreamExt` in scope, `buffered()` of a
//! stream is the one that takes the stream, and our own, which takes `&self`, is not found. So no
//! type that is a stream, a future or an iterator has a method by reference with the name of one by
//! value of the traits that everyone has in scope for these. A method of ours by value is found
//! first.

use std::collections::BTreeMap;

use super::file::{Fault, File};

/// Of `futures::{StreamExt, TryStreamExt}` and `tokio_stream::StreamExt`.
const STREAM: &str = "all and_then any boxed boxed_local buffer_unordered buffered catch_unwind chain \
    chunks chunks_timeout collect concat count cycle enumerate err_into filter filter_map flat_map \
    flat_map_unordered flatten flatten_unordered fold for_each for_each_concurrent forward fuse \
    inspect inspect_err inspect_ok into_async_read into_future into_stream left_stream map map_err \
    map_ok map_while merge or_else peekable ready_chunks right_stream scan skip skip_while split take \
    take_until take_while then throttle timeout timeout_repeating try_all try_any \
    try_buffer_unordered try_buffered try_chunks try_collect try_concat try_filter try_filter_map \
    try_flatten try_flatten_unordered try_fold try_for_each try_for_each_concurrent try_ready_chunks \
    try_skip_while try_take_while try_unfold unzip zip";

/// Of `futures::{FutureExt, TryFutureExt}` and `tokio_util::future::FutureExt`.
const FUTURE: &str = "and_then boxed boxed_local catch_unwind err_into flatten flatten_sink \
    flatten_stream fuse inspect inspect_err inspect_ok into_future into_stream left_future map map_err \
    map_into map_ok map_ok_or_else never_error now_or_never ok_into or_else remote_handle right_future \
    shared then timeout timeout_at try_flatten try_flatten_stream unit_error unwrap_or_else \
    with_cancellation_token with_cancellation_token_owned";

/// Of `Iterator` and `itertools::Itertools`.
const ITERATOR: &str = "batching chain chunk_by chunks cloned cmp collect collect_vec combinations \
    copied count counts cycle dedup enumerate eq fill filter filter_map find_or_first flat_map flatten \
    fold for_each fuse group_by gt inspect interleave intersperse into_iter join last lt map map_while \
    max min ne partition peekable permutations positions product reduce rev scan skip skip_while \
    sorted step_by sum take take_while tee unique unzip zip";

/// What has been seen of the crates' sources so far.
#[derive(Default)]
pub(super) struct Methods {
    /// Which of the traits a type implements.
    implementors: BTreeMap<String, &'static str>,
    /// The type, the method, and where it is.
    by_reference: Vec<(String, String, Fault)>,
}

impl Methods {
    pub(super) fn look_at(&mut self, file: &File<'_>) {
        if !file.has_extension("rs") || !file.path.contains("/src/") {
            return;
        }
        let mut subject = None;
        let mut lines = file.lines().peekable();
        while let Some((number, line)) = lines.next() {
            if line.starts_with("impl") {
                subject = self.look_at_impl(line);
            } else if line.starts_with('}') {
                subject = None;
            }
            let (Some(of), Some((name, arguments))) = (&subject, method(line)) else {
                continue;
            };
            let next = lines.peek().map_or("", |(_, line)| line.trim_start());
            let receiver = if arguments.is_empty() {
                next
            } else {
                arguments
            };
            if receiver.starts_with("&self") || receiver.starts_with("&mut self") {
                let fault = file.fault(number, format!("{of}::{name} is hidden by an extension"));
                self.by_reference.push((of.clone(), name.to_owned(), fault));
            }
        }
    }

    /// Notes what is implemented; the type, if it is its own methods.
    fn look_at_impl(&mut self, line: &str) -> Option<String> {
        let header = behind_generics(line.strip_prefix("impl")?).trim_start();
        let Some((interface, subject)) = header.split_once(" for ") else {
            return Some(bare(header).to_owned());
        };
        let names = match bare(interface) {
            "Stream" => STREAM,
            "Future" => FUTURE,
            "Iterator" => ITERATOR,
            _ => return None,
        };
        self.implementors.insert(bare(subject).to_owned(), names);
        None
    }

    pub(super) fn faults(self) -> Vec<Fault> {
        let implementors = self.implementors;
        let is_hidden = |subject: &String, method: &String| {
            let names = implementors.get(subject);
            names.is_some_and(|names| names.split_whitespace().any(|name| name == method))
        };
        let mut faults = self.by_reference;
        faults.retain(|(subject, method, _)| is_hidden(subject, method));
        faults.into_iter().map(|(_, _, fault)| fault).collect()
    }
}

/// The name of a public method that the line begins, and what follows its bracket.
fn method(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("    pub ")?;
    let rest = rest.strip_prefix("const ").unwrap_or(rest);
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    let rest = rest.strip_prefix("fn ")?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    let (name, rest) = rest.split_at_checked(end)?;
    Some((name, behind_generics(rest).strip_prefix('(')?))
}

/// What follows `<…>`, if the text begins with that.
fn behind_generics(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if !text.get(..at).unwrap_or_default().ends_with('-') => {
                depth = depth.saturating_sub(1);
            }
            _ if depth == 0 => return text.get(at..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

/// The last name of a path, without generics.
fn bare(text: &str) -> &str {
    let end = text.find(['<', ' ', '{', ';']).unwrap_or(text.len());
    let path = text.get(..end).unwrap_or_default();
    path.rsplit("::").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> Vec<usize> {
        let mut methods = Methods::default();
        let path = "a/src/b.rs";
        methods.look_at(&File { path, text });
        methods.faults().iter().map(|fault| fault.line).collect()
    }

    const STREAM: &str =
        "impl<A: B<Out = <A as B>::C>> futures_core::Stream for Consumer<A> {\n}\n";

    #[test]
    fn method_by_reference_with_the_name_of_one_by_value_is_found() {
        let first = "impl<A: B> Consumer<A> {\n    pub fn buffered(&self) -> usize {\n    }\n";
        let second =
            "    pub async fn fold<F: Fn(u8) -> u8>(\n        &mut self,\n    ) {\n    }\n}\n";
        assert_eq!(hidden(&format!("{first}{second}{STREAM}")), [2, 4]);
        assert_eq!(hidden(&format!("{first}{second}")), [0; 0]);
    }

    #[test]
    fn methods_by_value_of_others_and_of_traits_are_not() {
        let by_value = "impl<A> Consumer<A> {\n    pub fn map(self) {}\n    fn take(&self) {}\n}\n";
        let other = "impl Channel {\n    pub fn count(&self) {}\n}\n";
        let of_a_trait = "impl Debug for Consumer {\n    pub fn count(&self) {}\n}\n";
        assert_eq!(
            hidden(&format!("{by_value}{other}{of_a_trait}{STREAM}")),
            [0; 0]
        );
        let future = "impl Future for Confirmation {\n}\nimpl Confirmation {\n";
        assert_eq!(
            hidden(&format!("{future}    pub fn number(&self) {{}}\n}}\n")),
            [0; 0]
        );
        assert_eq!(
            hidden(&format!("{future}    pub fn shared(&self) {{}}\n}}\n")),
            [4]
        );
    }
}
