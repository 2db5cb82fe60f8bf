//! Comments in front of JSON.

use crate::report::Faults;
use crate::source::Text;

/// The text behind the space and the comments (`/* … */`, `// …`) that it begins with; `None` if
/// one of them never ends. XML begins with neither.
pub(crate) fn behind_comments<'a>(text: Text<'a>, faults: &mut Faults) -> Option<Text<'a>> {
    let mut rest = text;
    loop {
        let trimmed = rest.as_str().trim_start();
        rest = rest.behind(rest.len() - trimmed.len());
        let len = if trimmed.starts_with("//") {
            trimmed.find('\n').unwrap_or(trimmed.len())
        } else if trimmed.starts_with("/*") {
            let Some(end) = trimmed.get(2..).and_then(|inner| inner.find("*/")) else {
                let opening = rest.span(rest.start(), rest.start() + 2);
                faults.push(opening, "a comment that is never closed", "`*/`");
                return None;
            };
            end + 4
        } else {
            return Some(rest);
        };
        rest = rest.behind(len);
    }
}
