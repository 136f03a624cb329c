//! Makes a short history of a long one that breaks a rule.

use super::history::{Outcome, play};
use super::plan::{Background, Plan};
use super::trace::Keep;

/// How many histories may be played to find a shorter one.
const ATTEMPTS: usize = 600;

/// Takes everything out of a history without which the same rule is broken still.
#[must_use]
pub fn shrink(plan: &Plan) -> Plan {
    let Some(defect) = play(plan, Keep::Nothing).defect else { return plan.clone() };
    let mut search = Search { rule: defect.rule, left: ATTEMPTS, best: plan.clone() };
    let mut cut = plan.clone();
    cut.steps.truncate(defect.step + 1);
    search.consider(cut);
    loop {
        let before = search.best.steps.len();
        search.without_steps();
        if search.best.steps.len() == before || search.left == 0 {
            break;
        }
    }
    search.without_trouble();
    search.without_steps();
    search.best
}

struct Search {
    rule: &'static str,
    left: usize,
    best: Plan,
}

impl Search {
    /// Takes a plan over that breaks the same rule.
    fn consider(&mut self, plan: Plan) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let Outcome { defect, .. } = play(&plan, Keep::Nothing);
        let same = defect.is_some_and(|defect| defect.rule == self.rule);
        if same {
            self.best = plan;
        }
        same
    }

    /// Leaves out more and more steps at a time (A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing
    /// Input", 2002).
    fn without_steps(&mut self) {
        let mut size = self.best.steps.len().div_ceil(2).max(1);
        loop {
            let mut from = 0;
            while from < self.best.steps.len() {
                let mut plan = self.best.clone();
                let to = (from + size).min(plan.steps.len());
                plan.steps.drain(from..to);
                if !self.consider(plan) {
                    from += size;
                }
            }
            if size == 1 {
                return;
            }
            size = size.div_ceil(2);
        }
    }

    /// Leaves out kinds of faults, wrong clocks and habits of the server.
    fn without_trouble(&mut self) {
        let faults: Vec<_> = self.best.rates.of.keys().copied().collect();
        for fault in faults {
            let mut plan = self.best.clone();
            plan.rates.of.remove(&fault);
            self.consider(plan);
        }
        let changes: [fn(&mut Plan); 9] = [
            |plan| plan.habits.listed = true,
            |plan| plan.trees = false,
            |plan| plan.habits.echoes = false,
            |plan| plan.habits.stamps = false,
            |plan| plan.habits.repeats = false,
            |plan| plan.devices.iter_mut().for_each(|device| device.skew = 0),
            |plan| plan.devices.iter_mut().for_each(|device| device.background = Background::Nothing),
            |plan| plan.devices.iter_mut().for_each(|device| device.page_size = 500),
            |plan| plan.devices.iter_mut().for_each(|device| device.max_in_flight = 16),
        ];
        for change in changes {
            let mut plan = self.best.clone();
            change(&mut plan);
            self.consider(plan);
        }
        while let Some(last) = self.best.devices.len().checked_sub(1)
            && last > 0
            && self.best.steps.iter().all(|step| step.device != last)
        {
            let mut plan = self.best.clone();
            plan.devices.pop();
            if !self.consider(plan) {
                return;
            }
        }
    }
}
