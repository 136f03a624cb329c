//! What may be wrong with a server, and which rules that breaks.

use sync::testing::contract::Rule;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    ReadsAnotherText,
    ForgetsKeysOfCreations,
    CreatesAgainWhatWasDeleted,
    CreatesOverWhatIsThere,
    AnswersWithWhatIsThere,
    ForgetsKeysOfUpdates,
    /// An update is made again when it is repeated, on whatever is there.
    UpdatesAgain,
    /// Of each record the key of its last update is known.
    KnowsTheLastKeyOnly,
    UpdatesNothing,
    /// What an update does not name goes.
    ReplacesWhatItUpdates,
    /// What an update names as `null` stays.
    KeepsWhatBecameNull,
    /// Not flaws: an update has to name every member, and none of them may be `null`.
    TakesWholeUpdatesOnly,
    TakesNoNull,
    /// Looks at the version, or whether the record is there, and then writes without looking again.
    UpdatesWithoutALock,
    CreatesWithoutALock,
    UpdatesAnyVersion,
    ConflictsWithoutRecord,
    UpdatesWhatIsNotThere,
    AnswersWithTheTombstone,
    /// A repetition is answered with 208.
    ReportsWhatItDidBefore,
    TakesNoPut,
    OverwritesAnyVersion,
    ForgetsKeysOfOverwrites,
    OverwritesAgain,
    /// Not a flaw: what is not there cannot be put in its place.
    PutsNothingBack,
    CreatesNothingAgain,
    DeletesNothing,
    DeletesAnyVersion,
    ForgetsKeysOfDeletions,
    DecodesPathsTooEarly,
    ListsOtherVersions,
    /// Of each record the id, the version and whether it is deleted.
    ListsOnlyIds,
    /// Each record as it was created.
    ListsWhatWasCreated,
    /// `"deleted": 0`, as a database without booleans has it.
    MarksDeletionsWithNumbers,
    /// `"hasMore": 0`, as a database without booleans has it.
    TellsWithNumbersWhetherThereIsMore,
    CursorsAreFractions,
    CursorsAreTooLong,
    /// Not a flaw: a cursor is an integer, and the last page has no `hasMore`.
    CursorsAreIntegers,
    PagesAreTooLarge,
    ListsNothingAfterACursor,
    HidesTombstones,
    /// Not a flaw: a cursor of another transaction, say, is another one without any change.
    CursorsMoveByThemselves,
    /// Each list begins with what the cursor was given out for.
    ListsTheLastAgain,
    MissesWhatIsWrittenMeanwhile,
    TakesAnything,
    RefusesWithoutAWord,
    StreamIsSilent,
    NoStream,
    /// Not a flaw: it gives no cursors, and goes by the time of each change.
    GivesNoCursors,
    /// Nor this: what comes compressed has a weak `ETag`, as behind nginx.
    CompressesWhatMayBe,
    /// Nor this: the collection is at another address of the server.
    HasMoved,
    HasMovedElsewhere,
    /// Not a flaw: each id is a UUID.
    TakesUuidsOnly,
    /// What it says is not there, or refuses, it says with a page of HTML.
    SaysItWithAPage,
    /// So it does with what it has done.
    AnswersWithAPage,
    /// And this with something that is not the record.
    AnswersWithAWord,
    /// With the record's id, and nothing else of it.
    AnswersWithTheId,
    /// With the record, and somebody else's id.
    AnswersWithAnotherId,
    /// An update is answered with the record as it was before.
    AnswersWithTheOldRecord,
    /// A `PUT` over the last version of what was deleted brings that back.
    PutsBackItsLastVersion,
    TellsNoVersions,
    /// Not a flaw: the versions are those of the `ETag`s, and the list has none.
    ListsNoVersions,
    /// Not a flaw: what is `null` in a record goes.
    TakesNullsAway,
    /// Nor this, as a database with a type for UUIDs has them.
    WritesIdsInUpperCase,
    /// Nor this: `1.0` comes back as `1`, as JavaScript has it.
    WritesWholeNumbersWithoutAPoint,
    /// Nor this: each request is answered with 429 first, and told when to come back.
    LimitsItsRate,
    /// Each request is answered like that, whenever it comes back.
    IsNeverReady,
    /// Nobody may delete anything.
    ForbidsDeletions,
    /// The same, and it is not told whether the record is there still, as where a token has run out.
    SaysNothingOfWhatItKeeps,
    /// Not a flaw: somebody else writes a record just when the rule about the end of the list looks whether it is the end.
    SomebodyWrites,
}

/// The rules that look into a list, but for that about its pages.
const LISTS: &[Rule] = &[
    Rule::RepeatedCreate,
    Rule::Versions,
    Rule::Changes,
    Rule::Tombstones,
    Rule::NothingNew,
    Rule::ConcurrentWriters,
];

/// Each flaw with the rule that it breaks. What also breaks because of it is named with it.
pub const FLAWS: [(Flaw, Rule, &[Rule]); 45] = [
    (
        Flaw::ReadsAnotherText,
        Rule::Create,
        &[
            Rule::RepeatedCreateLater,
            Rule::CreateOfWhatIsThere,
            Rule::Update,
            Rule::StaleUpdate,
            Rule::Overwrite,
            Rule::StaleOverwrite,
            Rule::RepeatedOverwrite,
            Rule::CreateOfWhatWasDeleted,
            Rule::OddIds,
            Rule::Pages,
            Rule::Changes,
            Rule::BadRecord,
            Rule::RepeatedUpdate,
            Rule::RepeatedDelete,
            Rule::PartialUpdate,
            Rule::RacingUpdates,
            Rule::RacingCreations,
        ],
    ),
    (Flaw::ForgetsKeysOfCreations, Rule::RepeatedCreate, &[Rule::RepeatedCreateLater]),
    (Flaw::CreatesAgainWhatWasDeleted, Rule::RepeatedCreateLater, &[]),
    (Flaw::CreatesOverWhatIsThere, Rule::CreateOfWhatIsThere, &[Rule::RacingCreations]),
    (Flaw::AnswersWithWhatIsThere, Rule::CreateOfWhatIsThere, &[Rule::RacingCreations]),
    (Flaw::ForgetsKeysOfUpdates, Rule::RepeatedUpdate, &[]),
    (Flaw::UpdatesAgain, Rule::RepeatedUpdate, &[]),
    (Flaw::KnowsTheLastKeyOnly, Rule::RepeatedUpdate, &[]),
    (
        Flaw::UpdatesNothing,
        Rule::Update,
        &[
            Rule::RepeatedCreateLater,
            Rule::RepeatedUpdate,
            Rule::StaleUpdate,
            Rule::ConflictBringsTheRecord,
            Rule::UpdateOfNothing,
            Rule::UpdateOfWhatWasDeleted,
            Rule::StaleOverwrite,
            Rule::RepeatedOverwrite,
            Rule::StaleDelete,
            Rule::Changes,
            Rule::PartialUpdate,
            Rule::ClearingUpdate,
            Rule::RacingUpdates,
        ],
    ),
    (
        Flaw::AnswersWithTheOldRecord,
        Rule::Update,
        &[
            Rule::RepeatedCreateLater,
            Rule::StaleUpdate,
            Rule::ConflictBringsTheRecord,
            Rule::StaleOverwrite,
            Rule::RepeatedOverwrite,
            Rule::StaleDelete,
            Rule::Versions,
            Rule::Changes,
            Rule::RepeatedUpdate,
            Rule::PartialUpdate,
            Rule::ClearingUpdate,
        ],
    ),
    (Flaw::ReplacesWhatItUpdates, Rule::PartialUpdate, &[]),
    (Flaw::KeepsWhatBecameNull, Rule::ClearingUpdate, &[]),
    (Flaw::UpdatesWithoutALock, Rule::RacingUpdates, &[]),
    (Flaw::CreatesWithoutALock, Rule::RacingCreations, &[]),
    (Flaw::UpdatesAnyVersion, Rule::StaleUpdate, &[Rule::ConflictBringsTheRecord, Rule::RacingUpdates]),
    (Flaw::ConflictsWithoutRecord, Rule::ConflictBringsTheRecord, &[]),
    (Flaw::UpdatesWhatIsNotThere, Rule::UpdateOfNothing, &[]),
    (Flaw::AnswersWithTheTombstone, Rule::UpdateOfWhatWasDeleted, &[]),
    (
        Flaw::ReportsWhatItDidBefore,
        Rule::RepeatedCreate,
        &[Rule::RepeatedCreateLater, Rule::RepeatedUpdate, Rule::RepeatedOverwrite, Rule::RepeatedDelete],
    ),
    (
        Flaw::SaysItWithAPage,
        Rule::UpdateOfNothing,
        &[
            Rule::RepeatedCreateLater,
            Rule::ConflictBringsTheRecord,
            Rule::UpdateOfWhatWasDeleted,
            Rule::StaleOverwrite,
            Rule::CreateOfWhatWasDeleted,
            Rule::Delete,
            Rule::OddIds,
            Rule::Changes,
            Rule::BadRecord,
            Rule::ProblemDetails,
        ],
    ),
    (Flaw::TakesNoPut, Rule::Overwrite, &[Rule::StaleOverwrite, Rule::RepeatedOverwrite, Rule::Changes]),
    (Flaw::OverwritesAnyVersion, Rule::StaleOverwrite, &[]),
    (Flaw::PutsBackItsLastVersion, Rule::StaleOverwrite, &[]),
    (Flaw::ForgetsKeysOfOverwrites, Rule::RepeatedOverwrite, &[]),
    (Flaw::OverwritesAgain, Rule::RepeatedOverwrite, &[Rule::StaleOverwrite]),
    (
        Flaw::CreatesNothingAgain,
        Rule::CreateOfWhatWasDeleted,
        &[Rule::RepeatedCreateLater, Rule::Changes, Rule::RepeatedDelete],
    ),
    (
        Flaw::DeletesNothing,
        Rule::Delete,
        &[
            Rule::RepeatedCreateLater,
            Rule::UpdateOfWhatWasDeleted,
            Rule::StaleOverwrite,
            Rule::CreateOfWhatWasDeleted,
            Rule::StaleDelete,
            Rule::OddIds,
            Rule::Changes,
            Rule::Tombstones,
            Rule::RepeatedDelete,
        ],
    ),
    (Flaw::DeletesAnyVersion, Rule::StaleDelete, &[]),
    (Flaw::ForgetsKeysOfDeletions, Rule::RepeatedDelete, &[]),
    (Flaw::DecodesPathsTooEarly, Rule::OddIds, &[]),
    (Flaw::ListsOtherVersions, Rule::Versions, &[]),
    (Flaw::TellsWithNumbersWhetherThereIsMore, Rule::Pages, LISTS),
    (Flaw::CursorsAreFractions, Rule::Pages, LISTS),
    (Flaw::CursorsAreTooLong, Rule::Pages, LISTS),
    (Flaw::PagesAreTooLarge, Rule::Pages, &[]),
    (
        Flaw::ListsNothingAfterACursor,
        Rule::Changes,
        &[Rule::RepeatedCreate, Rule::Versions, Rule::Pages, Rule::Tombstones, Rule::ConcurrentWriters],
    ),
    (Flaw::ListsOnlyIds, Rule::Changes, &[Rule::Pages]),
    (Flaw::ListsWhatWasCreated, Rule::Changes, &[]),
    (Flaw::MarksDeletionsWithNumbers, Rule::Changes, &[Rule::Pages, Rule::Tombstones]),
    (Flaw::HidesTombstones, Rule::Tombstones, &[]),
    (Flaw::ListsTheLastAgain, Rule::NothingNew, &[]),
    (Flaw::MissesWhatIsWrittenMeanwhile, Rule::ConcurrentWriters, &[]),
    (Flaw::TakesAnything, Rule::BadRecord, &[Rule::ProblemDetails]),
    (Flaw::RefusesWithoutAWord, Rule::ProblemDetails, &[]),
    (Flaw::StreamIsSilent, Rule::LiveChanges, &[]),
];
