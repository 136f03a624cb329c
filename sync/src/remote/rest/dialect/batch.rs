//! How several operations are sent in one request.

use serde::{Deserialize, Serialize};

use super::{MemberPath, Template};

/// How several operations are sent in one request. What waits while one batch is under way makes the next one, so a batch is
/// never waited for; the engine has at most
/// [`max_in_flight`](crate::EngineBuilder::max_in_flight) operations out, and never two of one record.
///
/// Each operation has an outcome of its own: one that is refused fails none of its neighbours. A batch that is too large for
/// the server (413) is sent in halves, and later ones are no larger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BatchDialect {
    /// There is no such request. The default.
    #[default]
    Nothing,
    /// A list of requests, each of which is answered as it would be by itself.
    Requests(RequestBatch),
    /// A list of records.
    Records(RecordBatch),
}

/// A request that holds a list of requests: `{"requests": [{"method", "path", "headers", "body"}]}`, answered by
/// `{"responses": [{"status", "headers", "body"}]}` in the same order, as Kinto has it.
///
/// What says that the credentials are not taken, or that the record is not there, is sent again by itself; and so is what was done, where another one
/// of the list was answered with 409, for which Kinto takes all of them back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestBatch {
    /// Where it goes, by `POST`: an address relative to the base URL, such as `../batch`.
    pub address: String,
    /// How many requests it may hold.
    pub limit: usize,
    /// Where the server says how many it takes, if it does.
    pub advertised: Option<AdvertisedLimit>,
}

/// Where a server says how many operations a batch may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdvertisedLimit {
    /// An address relative to the base URL.
    pub address: String,
    /// Where the number is in the answer.
    pub member: MemberPath,
}

/// A request that holds a list of records of one entity, each as it would be sent by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordBatch {
    /// Where it goes, by `POST`, with the placeholder `{endpoint}`.
    pub path: Template,
    /// Headers that are always the same.
    pub headers: Vec<(String, String)>,
    /// The members around the list: `docs` sends `{"docs": […]}`.
    pub sent_in: MemberPath,
    /// A member that is added to each record and holds its id, where the address would hold it otherwise.
    pub id_member: Option<String>,
    /// How many records it may hold.
    pub limit: usize,
    /// What its answer says of them.
    pub outcomes: BatchOutcomes,
}

/// What the answer to a list of records says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BatchOutcomes {
    /// A list in the same order with a receipt for each record, as `CouchDB` has it: new records and changed ones, which carry
    /// their version, are sent in batches.
    Receipts {
        /// The member that holds a record's new version.
        version_member: String,
        /// The member that is there in the receipt of a record that was not written. Such a record is sent again by itself,
        /// whose answer says why.
        error_member: String,
    },
    /// All of the records, as the server has them now, or a refusal of them all, as `PostgREST` has it: new records are sent in
    /// batches, and by themselves where one of them was refused.
    AllOrNothing,
}
