//! Stub
use crate::model::Specification;
pub(super) fn files(_: &Specification) -> Vec<(String, String)> { Vec::new() }
