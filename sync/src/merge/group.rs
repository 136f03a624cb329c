//! Fields that change together or not at all.

use super::{Kept, Merging, Side, Sides, Step};

/// `#[sync(group = "…")]`: what happened to the fields of a group, as the derived code finds out. If both sides changed some
/// of them, not necessarily the same, and they differ now, one side's stand.
#[derive(Debug)]
pub struct Group {
    prefers: Side,
    changed_here: bool,
    changed_there: bool,
    differs: bool,
}

impl Group {
    /// A group of which nothing was seen yet, and the side that is taken where both changed it.
    #[must_use]
    pub fn new(prefers: Side) -> Self {
        Self { prefers, changed_here: false, changed_there: false, differs: false }
    }

    /// The same, with one more field seen.
    #[must_use]
    pub fn see<F: PartialEq>(self, sides: Sides<'_, F>) -> Self {
        Self {
            prefers: self.prefers,
            changed_here: self.changed_here || sides.base != Some(sides.local),
            changed_there: self.changed_there || sides.base != Some(sides.remote),
            differs: self.differs || sides.local != sides.remote,
        }
    }

    /// One of its fields, once all were seen.
    pub fn field<F>(&self, name: &'static str, sides: Sides<'_, F>, merging: &mut Merging) -> F
    where
        F: PartialEq + Clone + Send + Sync + 'static,
    {
        let side = match (self.changed_here, self.changed_there) {
            (true, true) => self.prefers,
            (true, false) => Side::Local,
            (false, _) => Side::Remote,
        };
        let overlap = self.changed_here && self.changed_there && self.differs;
        if overlap && sides.local != sides.remote {
            let kept = if side == Side::Local { Kept::Local } else { Kept::Remote };
            let note = |merging: &mut Merging| {
                merging.note(kept, sides.base, Some(sides.local), Some(sides.remote));
            };
            merging.at(Step::Field(name), note);
        }
        match side {
            Side::Local => sides.local.clone(),
            Side::Remote => sides.remote.clone(),
        }
    }
}
