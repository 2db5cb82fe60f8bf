//! Stub
use super::Options;
use crate::model::Specification;
pub(super) fn file(_: &Specification, _: &Options) -> String { String::new() }
