//! Who implements a class or a method.

use super::reader::Reader;
use super::tree::Element;
use crate::input::Spanned;
use crate::model::Direction;
use crate::report::Faults;

/// The peers that the `chassis` of an element name, each at most once. One that implements a method
/// receives it, and so tells its direction.
pub(super) fn receivers(reader: &mut Reader<'_, '_>) -> Vec<Direction> {
    let receivers = reader.each("chassis", read);
    for (n, second) in receivers.iter().enumerate() {
        let mut earlier = receivers.iter().take(n);
        if let Some(first) = earlier.find(|first| first.value == second.value) {
            let note = ("first named", first.span);
            let found = "a second `chassis` of the same peer";
            let faults = reader.faults();
            faults.push_beside(second.span, found, "one of the other peer, or none", note);
        }
    }
    receivers
        .into_iter()
        .map(|receiver| receiver.value)
        .collect()
}

fn read(element: &Element, faults: &mut Faults) -> Option<Spanned<Direction>> {
    let mut reader = Reader::new(element, faults);
    reader.attributes(&["name", "implement"], &["label"]);
    reader.children(&[], &[]);
    reader.choice("implement", &["MUST", "SHOULD", "MAY"]);
    let receiver = reader.choice("name", &["server", "client"])?;
    let direction = if receiver == "server" {
        Direction::ClientToServer
    } else {
        Direction::ServerToClient
    };
    Some(Spanned::new(direction, element.span))
}
