//! Where three sequences differ: what a merge of texts has to decide about.

use std::ops::Range;

use similar::{Algorithm, DiffTag, capture_diff_slices};

/// The three sequences, as an index.
pub(super) const BASE: usize = 0;
pub(super) const LOCAL: usize = 1;
pub(super) const REMOTE: usize = 2;

/// A stretch that one side changed, or both, each in its own way or alike.
#[derive(Debug, Default)]
pub(super) struct Region {
    /// Where it is in each sequence.
    pub(super) ranges: [Range<usize>; 3],
    /// Which of them changed it.
    pub(super) is_changed: [bool; 3],
}

/// A stretch of the base that one side changed.
struct Edit {
    side: usize,
    base: Range<usize>,
    /// Where it ends on that side.
    end: usize,
}

impl Region {
    /// An empty one, so far behind this one.
    fn behind(&self, distance: usize) -> Self {
        let at = |range: &Range<usize>| range.end + distance..range.end + distance;
        Self { ranges: self.ranges.each_ref().map(at), is_changed: [false; 3] }
    }

    /// Takes an edit in that begins in it, or where it ends.
    fn add(&mut self, edit: &Edit) {
        let end = self.ranges[BASE].end.max(edit.base.end);
        let more = end - self.ranges[BASE].end;
        for range in &mut self.ranges {
            range.end += more;
        }
        self.ranges[edit.side].end = edit.end + (end - edit.base.end);
        self.is_changed[edit.side] = true;
    }
}

/// What differs, in order. Between two regions all three are the same; edits that touch are in one, since nothing says which comes first.
///
/// `similar` has such a merge itself, which goes through all edits again for each region: its time grows with their square. Its search for the
/// edits does not, since it is content with more than the fewest where there are many.
pub(super) fn regions(sequences: &[Vec<usize>; 3]) -> Vec<Region> {
    let edits = |side: usize| {
        let changes = capture_diff_slices(Algorithm::Myers, &sequences[BASE], &sequences[side]);
        let changes = changes.into_iter().filter(|change| change.tag() != DiffTag::Equal);
        changes.map(move |change| Edit { side, base: change.old_range(), end: change.new_range().end })
    };
    let mut edits: Vec<_> = edits(LOCAL).chain(edits(REMOTE)).collect();
    // As it keeps their order, those of one side stay as they come.
    edits.sort_by_key(|edit| edit.base.start);
    let (mut regions, mut region) = (Vec::new(), Region::default());
    for edit in edits {
        let end = region.ranges[BASE].end;
        if edit.base.start > end {
            let next = region.behind(edit.base.start - end);
            regions.push(std::mem::replace(&mut region, next));
        }
        region.add(&edit);
    }
    regions.push(region);
    regions
}
