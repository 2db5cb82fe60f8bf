//! What happens to a plan: it begins when the connection is open on another stream, is carried on
//! with whatever comes, and what it comes to is told.

use super::{Course, Milestones, Plan, told};
use crate::error::EntityFailure;
use crate::proto::outside::Outside;

/// The connection is open on its stream: what it had before is to come back, or it had nothing.
pub(crate) fn opened(course: &mut Course, outside: &mut Outside) {
    if course.opened(outside.now()) {
        let plan = Plan::new(course.policy(), course.given_up(), course.aside(), outside);
        course.begin_plan(plan);
    } else {
        course.is_open_at_last();
        told::opened(0, outside);
    }
}

/// Does what can be done at present.
///
/// # Errors
///
/// The attempt is in vain.
pub(crate) fn step(course: &mut Course, outside: &mut Outside) -> Result<(), Box<EntityFailure>> {
    for entity in course.look_after(outside) {
        told::restored(entity, outside);
    }
    let mut more = true;
    while more {
        let Some(mut plan) = course.take_plan() else {
            break;
        };
        plan.wait_for(course.n_waiting_for_channels());
        let milestones = match plan.step(outside) {
            Ok(milestones) => milestones,
            Err(failure) => {
                course.attempt_ended(&failure, outside.now());
                course.keep_plan(plan);
                return Err(failure);
            }
        };
        // What comes behind the gates may begin.
        more = milestones.opens_gates;
        let report = milestones.is_back.then(|| plan.take_report(outside));
        match milestones.is_done {
            true => course.all_restored(),
            false => course.keep_plan(plan),
        }
        come_to(milestones, report, course, outside);
    }
    Ok(())
}

fn come_to(
    milestones: Milestones,
    report: Option<(super::Counts, Vec<EntityFailure>, u64)>,
    course: &mut Course,
    outside: &mut Outside,
) {
    let now = outside.now();
    for (from, to) in &milestones.renamed {
        course.renamed(from, to);
    }
    for failure in milestones.pending {
        told::pending(failure, outside);
    }
    for entity in milestones.restored {
        course.restored(&entity);
        told::restored(entity, outside);
    }
    for failure in milestones.failed {
        told::not_restored(failure, outside);
    }
    if milestones.opens_gates {
        course.gates_open(now);
        outside.open_gates();
    }
    if let Some((restored, skipped, resent)) = report {
        let report = course.recovered(restored, skipped, resent, now);
        match course.is_open_at_last() {
            true => told::opened(milestones.n_pending, outside),
            false => told::recovered(report, milestones.n_pending, outside),
        }
    } else if !course.is_away() {
        told::still_pending(milestones.n_pending, outside);
    }
}
