//! The numbers of the queues, remembered: each row is named by one.

use std::cell::RefCell;

use crate::record::{EntityName, Principal};

/// The numbers that are known. They are few: one for each entity of each account.
///
/// After a rollback the row of a number may be gone, so everything is forgotten then.
#[derive(Debug, Default)]
pub(super) struct Numbers(RefCell<Vec<Known>>);

#[derive(Debug)]
struct Known {
    principal: Principal,
    entity: EntityName,
    number: i64,
}

impl Numbers {
    pub(super) fn find(&self, principal: &Principal, entity: &EntityName) -> Option<i64> {
        let known = self.0.borrow();
        let found = known.iter().find(|known| known.entity == *entity && known.principal == *principal);
        found.map(|known| known.number)
    }

    pub(super) fn remember(&self, principal: &Principal, entity: &EntityName, number: i64) {
        let known = Known { principal: principal.clone(), entity: entity.clone(), number };
        self.0.borrow_mut().push(known);
    }

    pub(super) fn forget(&self) {
        self.0.borrow_mut().clear();
    }
}
