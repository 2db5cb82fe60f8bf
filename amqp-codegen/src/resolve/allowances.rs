//! The overlay's allowances: what the sources may disagree about. One that nothing needs is a
//! fault.

use std::collections::{HashMap, HashSet};

use crate::input::Span;
use crate::overlay::{Allowance, Target};
use crate::report::Faults;

/// What the sources may disagree about, and whether they do.
pub(super) struct Allowances<'o> {
    /// By target and whether a source may lack it: the allowance, and whether it was needed.
    by_target: HashMap<(Target, bool), (&'o Allowance, bool)>,
    /// The values of constants that a source has, by the place in the overlay.
    seen: HashSet<Span>,
}

impl<'o> Allowances<'o> {
    pub(super) fn new(list: &'o [Allowance], faults: &mut Faults) -> Self {
        let mut by_target = HashMap::new();
        for allowance in list {
            let key = (allowance.target.value.clone(), allowance.missing);
            let Some((earlier, _)) = by_target.get(&key) else {
                by_target.insert(key, (allowance, false));
                continue;
            };
            let earlier: &Allowance = earlier;
            let found = format!("a second allowance for {}", allowance.target.value);
            let note = ("the earlier one is", earlier.target.span);
            faults.push_beside(allowance.target.span, found, "one for each thing", note);
        }
        Self {
            by_target,
            seen: HashSet::new(),
        }
    }

    /// Whether the sources may tell this in different ways.
    pub(super) fn permits(&mut self, target: &Target) -> bool {
        self.use_up(target, false)
    }

    /// Whether the sources may give the constant these two values.
    pub(super) fn permits_values(&mut self, target: &Target, values: [u32; 2]) -> bool {
        let Some((allowance, used)) = self.by_target.get_mut(&(target.clone(), false)) else {
            return false;
        };
        *used = true;
        let listed = &allowance.values;
        let places = values.map(|value| listed.iter().find(|listed| listed.value == value));
        self.seen
            .extend(places.iter().flatten().map(|place| place.span));
        places.iter().all(Option::is_some)
    }

    /// Whether a source may lack this.
    pub(super) fn permits_missing(&mut self, target: &Target) -> bool {
        self.use_up(target, true)
    }

    fn use_up(&mut self, target: &Target, missing: bool) -> bool {
        let found = self.by_target.get_mut(&(target.clone(), missing));
        found.is_some_and(|(_, used)| {
            *used = true;
            true
        })
    }

    /// Reports values that no source has.
    fn report_values(&self, faults: &mut Faults) {
        let used = self.by_target.values().filter(|(_, used)| *used);
        let mut unseen: Vec<_> = used
            .flat_map(|(allowance, _)| &allowance.values)
            .filter(|value| !self.seen.contains(&value.span))
            .collect();
        unseen.sort_by_key(|value| value.span);
        for value in unseen {
            let found = format!("{}, which no source says", value.value);
            faults.push(value.span, found, "the values that the sources give it");
        }
    }

    pub(super) fn report_unused(&self, faults: &mut Faults) {
        let mut unused: Vec<&Allowance> = self
            .by_target
            .values()
            .filter(|(_, used)| !used)
            .map(|(allowance, _)| *allowance)
            .collect();
        unused.sort_by_key(|allowance| allowance.target.span);
        self.report_values(faults);
        for allowance in unused {
            let found = format!(
                "an allowance that nothing needs: {}",
                allowance.target.value
            );
            let expected = if allowance.missing {
                "something that a source lacks"
            } else {
                "something that the sources disagree about"
            };
            faults.push(allowance.target.span, found, expected);
        }
    }
}
