//! Mistakes that a test switches on, one at a time and for its own thread, to see that the simulator finds them.
//!
//! Each stands where it would be made, as `planted!(Mistake)`. (Feature `planted-faults`.)

use std::cell::Cell;

/// A mistake that breaks one of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// A deletion takes a creation back although it was sent.
    CreateAndDeleteAlwaysVanish,
    /// An edit forgets the operation that is under way.
    EditReplacesTheFlight,
    /// What an earlier operation may have left on the server is forgotten.
    EchoIsForgotten,
    /// An operation is sent without the version that it was made on.
    IfMatchIsForgotten,
    /// A due time that a wrong clock wrote is waited for.
    ClockSetBackWaits,
    /// An acknowledgement forgets the edit that was made meanwhile.
    AckClearsTheNewerEdit,
    /// The version that an acknowledgement brought is not kept.
    AckForgetsTheVersion,
    /// The device's own write, found on the server, is a conflict.
    OwnWriteIsAConflict,
    /// What the server refuses is forgotten.
    RefusedIsDropped,
    /// The edit behind a refused operation is forgotten.
    ParkingDropsTheNewerEdit,
    /// Each attempt has an idempotency key of its own.
    KeyForEachAttempt,
    /// A pulled version takes the place of a local edit.
    PullOverwritesTheEdit,
    /// The ancestor's value is not kept when an edit is rebased.
    RebaseForgetsTheBase,
    /// A version that was pulled while an outcome was unknown is not looked at again.
    CrossedIsForgotten,
    /// A decision holds for an edit that it was not made about.
    DecisionOnAnOldEdit,
    /// A conflict comes without the ancestor.
    ConflictWithoutBase,
    /// The cursor is saved before the handler was told.
    CursorBeforeTheHandler,
    /// The cursor moves although the handler failed.
    CursorMovesOnAnError,
    /// An item that cannot be read stops its page.
    OneBadItemStopsThePage,
    /// An attempt that found no server counts.
    OfflineCostsAnAttempt,
    /// An operation without an answer counts as done.
    LostAnswerIsASuccess,
    /// A record is sent before the one that it refers to.
    ChildBeforeItsParent,
    /// A deletion that took the place of an edit goes before what was done to children since that edit.
    DeletionGoesByItsPlace,
    /// A record that is moved or deleted is no longer known to have referred to its former parent.
    FormerParentIsForgotten,
    /// An operation is sent before that is on disk.
    NotFrozenBeforeSending,
    /// A record that is under way is sent again.
    SentTwiceAtOnce,
    /// All accounts share one queue.
    EverybodysQueue,
    /// No timer is set for what waits.
    TimerIsLost,
    /// Who waited for another record is not let go.
    BlockedForEver,
    /// A cursor that the server forgot is kept.
    CursorGoneIsAnError,
    /// The numbers of edits start anew with each process.
    NumbersStartAnew,
    /// An engine begins with the counts of an empty queue.
    CountsStartAtZero,
    /// A receipt is told before the transaction is durable.
    ReceiptBeforeTheCommit,
    /// An operation is sent after the user gave it up.
    GivenUpIsSent,
    /// A storage error forgets the requests that are out.
    StorageErrorCutsAttemptsShort,
    /// The application is not told what a record looks like now.
    NobodyIsTold,
    /// After a discard, nobody asks what the server has instead.
    DiscardedIsNotAskedFor,
    /// An item that cannot be read is not kept aside.
    BadItemIsDropped,
    /// More requests are out than were allowed.
    TooManyAtOnce,
    /// A handler is called while another one runs.
    HandlersAtOnce,
    /// Nobody tells the receipts that an edit is on the server.
    ReceiptsAreNotTold,
    /// A record that fails holds the others back.
    OneFailureStopsTheFlush,
    /// A record of a replica is found by what it was when it came.
    IndexStandsStill,
    /// What is read of a replica is the server's, without the edits that wait.
    ReadWithoutTheEdits,
    /// Those who watch are not told of what changes.
    WatchIsNotTold,
    /// How long the server asks to be left alone does not matter.
    WishIsForgotten,
    /// Who listens connects while the server asks to be left alone.
    ListenersDoNotWait,
    /// What a handler edits of what it is told is a conflict with that.
    HandlersEditIsAConflict,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 48] = [
        Self::CreateAndDeleteAlwaysVanish,
        Self::EditReplacesTheFlight,
        Self::EchoIsForgotten,
        Self::IfMatchIsForgotten,
        Self::ClockSetBackWaits,
        Self::AckClearsTheNewerEdit,
        Self::AckForgetsTheVersion,
        Self::OwnWriteIsAConflict,
        Self::RefusedIsDropped,
        Self::ParkingDropsTheNewerEdit,
        Self::KeyForEachAttempt,
        Self::PullOverwritesTheEdit,
        Self::RebaseForgetsTheBase,
        Self::CrossedIsForgotten,
        Self::DecisionOnAnOldEdit,
        Self::ConflictWithoutBase,
        Self::CursorBeforeTheHandler,
        Self::CursorMovesOnAnError,
        Self::OneBadItemStopsThePage,
        Self::OfflineCostsAnAttempt,
        Self::LostAnswerIsASuccess,
        Self::ChildBeforeItsParent,
        Self::DeletionGoesByItsPlace,
        Self::FormerParentIsForgotten,
        Self::NotFrozenBeforeSending,
        Self::SentTwiceAtOnce,
        Self::EverybodysQueue,
        Self::TimerIsLost,
        Self::BlockedForEver,
        Self::CursorGoneIsAnError,
        Self::NumbersStartAnew,
        Self::CountsStartAtZero,
        Self::ReceiptBeforeTheCommit,
        Self::GivenUpIsSent,
        Self::StorageErrorCutsAttemptsShort,
        Self::NobodyIsTold,
        Self::DiscardedIsNotAskedFor,
        Self::BadItemIsDropped,
        Self::TooManyAtOnce,
        Self::HandlersAtOnce,
        Self::ReceiptsAreNotTold,
        Self::OneFailureStopsTheFlush,
        Self::IndexStandsStill,
        Self::ReadWithoutTheEdits,
        Self::WatchIsNotTold,
        Self::WishIsForgotten,
        Self::ListenersDoNotWait,
        Self::HandlersEditIsAConflict,
    ];
}

thread_local! {
    static PLANTED: Cell<Option<Mistake>> = const { Cell::new(None) };
}

/// Makes this mistake in this thread from now on; none with `None`.
pub fn plant(mistake: Option<Mistake>) {
    PLANTED.set(mistake);
}

pub(crate) fn is(mistake: Mistake) -> bool {
    PLANTED.get() == Some(mistake)
}
