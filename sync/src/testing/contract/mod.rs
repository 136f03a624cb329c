//! Whether a server keeps the HTTP contract (README, "For people who write the server"): the conformance kit for those who write one.
//!
//! ```no_run
//! use sync::testing::contract::Contract;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let report = Contract::new("http://127.0.0.1:3000/v1", "/notes")?.bearer("a token").check().await;
//! println!("{report}");
//! assert!(report.is_kept());
//! # Ok(()) }
//! ```
//!
//! The records that it writes have the members of a [template](Contract::template) and ids of its own, which are UUIDs as text: a collection
//! whose ids are numbers cannot be checked. Nor can one in which the text that is edited, or another member of the template, has to be unique,
//! since many records have the same. They are deleted in the end, and [what could not be](Report::left_behind) is told, so that a collection
//! with other records in it can be used, too: those are listed once. A server that asks for it with 429 or 503 and `Retry-After` is left
//! alone for a while. What the kit asks is the contract and nothing of the framework: a plain HTTP client, which follows the redirects that
//! `RestRemote` follows, and whose requests it shows as `curl` commands.

mod client;
mod lists;
mod races;
mod report;
mod rules;
mod template;
mod writes;

use serde_json::{Map, Value};

use self::client::Client;
pub use self::report::{Failure, Outcome, Report, Row};
pub use self::rules::Rule;

/// What is to be checked, and where.
#[derive(Debug)]
pub struct Contract {
    client: Client,
    writers: usize,
}

/// Why a check cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// The base URL is none.
    #[error("`{url}` is no base URL such as `http://127.0.0.1:3000/v1`")]
    Url {
        /// What was given.
        url: String,
    },
    /// The endpoint is no path.
    #[error("`{endpoint}` is no endpoint; write a path such as `/notes`")]
    Endpoint {
        /// What was given.
        endpoint: String,
    },
    /// The template is no JSON object.
    #[error("the template of a record has to be a JSON object such as `{{\"title\": \"x\"}}`")]
    Template {
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// Nothing of the template can be edited.
    #[error(
        "the template of a record has no text to edit, such as `title` in `{{\"title\": \"x\"}}`; name it, should it be one of `…At`"
    )]
    NothingToEdit,
    /// The member that is to be edited is no text of the template.
    #[error("the template of a record has no text `{member}` that could be edited")]
    NotEditable {
        /// What was given.
        member: String,
    },
    /// The HTTP client could not be started.
    #[error("the HTTP client could not be started")]
    Client {
        /// What it said.
        #[source]
        source: reqwest::Error,
    },
}

impl Contract {
    /// The collection at `endpoint` below the base URL. Its records are
    /// `{"id": …, "title": …, "updatedAt": …}` unless a [template](Self::template) says otherwise.
    ///
    /// # Errors
    /// When one of them is not what it should be. Nothing is sent yet.
    pub fn new(base_url: &str, endpoint: &str) -> Result<Self, ContractError> {
        let url = base_url.trim_end_matches('/');
        if !reqwest::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            return Err(ContractError::Url { url: base_url.to_owned() });
        }
        if !endpoint.starts_with('/') || endpoint.len() < 2 {
            return Err(ContractError::Endpoint { endpoint: endpoint.to_owned() });
        }
        let client = Client::new(format!("{url}{}", endpoint.trim_end_matches('/')));
        Ok(Self { client: client.map_err(|source| ContractError::Client { source })?, writers: 8 })
    }

    /// Sends `Authorization: Bearer …` with each request. The token is shown nowhere.
    #[must_use]
    pub fn bearer(mut self, token: &str) -> Self {
        self.client.token = Some(token.to_owned());
        self
    }

    /// The member that carries a record's id. Default: `id`.
    #[must_use]
    pub fn id_member(mut self, name: &str) -> Self {
        name.clone_into(&mut self.client.template.id_member);
        self
    }

    /// What a record looks like besides its id, as the JSON of an object. With two members or more that are no times, it is seen, too, what
    /// becomes of those that an update leaves out or empties. The first member that is a text, by name, is what edits
    /// change: not one of `…At` or `…_at`, which servers set themselves.
    ///
    /// # Errors
    /// When it is no JSON object, or has no such member.
    pub fn template(mut self, json: &str) -> Result<Self, ContractError> {
        self.client.template.members = parsed(json)?;
        self.client.template.edited = None;
        if self.client.template.edited_member().is_none() {
            return Err(ContractError::NothingToEdit);
        }
        Ok(self)
    }

    /// The same, with the name of the member that edits change, whatever it is called.
    ///
    /// # Errors
    /// When it is no JSON object, or has no text of that name.
    pub fn template_edited(mut self, json: &str, member: &str) -> Result<Self, ContractError> {
        self.client.template.members = parsed(json)?;
        if !self.client.template.members.get(member).is_some_and(Value::is_string) {
            return Err(ContractError::NotEditable { member: member.to_owned() });
        }
        self.client.template.edited = Some(member.to_owned());
        Ok(self)
    }

    /// The member that tells when a record was changed, which takes a cursor's place on a server that gives none. Default:
    /// `updatedAt` or `updated_at`.
    #[must_use]
    pub fn updated_at_member(mut self, name: &str) -> Self {
        self.client.template.updated_at = Some(name.to_owned());
        self
    }

    /// How many write at once while the list of changes is read. Default: 8.
    #[must_use]
    pub fn writers(mut self, writers: usize) -> Self {
        self.writers = writers.max(1);
        self
    }

    /// Checks every rule. A server that cannot be reached breaks them all.
    pub async fn check(&self) -> Report {
        let mut rows = Vec::new();
        for rule in Rule::ALL {
            self.client.forget();
            let outcome = rules::check(rule, &self.client, self.writers).await;
            rows.push(Row { rule, outcome });
        }
        Report { rows, left_behind: self.client.clean_up().await }
    }
}

fn parsed(json: &str) -> Result<Map<String, Value>, ContractError> {
    serde_json::from_str(json).map_err(|source| ContractError::Template { source })
}
